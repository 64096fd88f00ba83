import fc from 'fast-check';
import { ByteRing } from '../../../../../engine/vmm/platform/byte-ring';

function build(capacity: number) {
  const shared = new SharedArrayBuffer(ByteRing.stateBytes(capacity));
  let wakes = 0;
  const writer = new ByteRing(shared, () => wakes++);
  const reader = new ByteRing(shared, () => undefined);
  writer.reset();
  return { writer, reader, wakes: () => wakes };
}

it('carries bytes in order, never more than it has room for', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 60 }), (steps) => {
      const { writer, reader } = build(32);
      const model: number[] = [];
      let next = 0;
      for (const [pushes, limit] of steps) {
        for (let count = 0; count < pushes; count++) {
          const room = writer.room;
          expect(room).toBe(32 - model.length);
          if (writer.push(next & 0xff)) model.push(next & 0xff);
          else expect(room).toBe(0);
          next++;
        }
        const got: number[] = [];
        const more = reader.drain(limit, (bytes) => got.push(...bytes));
        expect(got).toEqual(model.splice(0, limit));
        expect(more).toBe(model.length > 0);
      }
    }),
  );
});

it('wakes a sleeping reader once, and a reader that is behind not at all', () => {
  const { writer, reader, wakes } = build(16);
  for (let count = 0; count < 5; count++) writer.push(count);
  expect(wakes()).toBe(1);
  expect(reader.drain(2, () => undefined)).toBe(true);
  writer.push(9);
  expect(wakes()).toBe(1);
  expect(reader.drain(100, () => undefined)).toBe(false);
  writer.push(9);
  expect(wakes()).toBe(2);
});

it('goes on where its counters wrap', () => {
  const shared = new SharedArrayBuffer(ByteRing.stateBytes(8));
  const ring = new ByteRing(shared, () => undefined);
  ring.reset();
  new Int32Array(shared).fill(0x7fff_fffe, 0, 2);
  for (let count = 0; count < 9; count++) expect(ring.push(count)).toBe(count < 8);
  const got: number[] = [];
  expect(ring.drain(100, (bytes) => got.push(...bytes))).toBe(false);
  expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});
