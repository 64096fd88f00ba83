import fc from 'fast-check';
import { GuestVectors } from '../../../../../engine/vmm/io/guest-vectors';
import { blockIo } from '../../../../../native/block-io';
import { viewMemory } from '../../../../../native/libc';
import { fakeMemory } from '../virtio/driver-ring';

const MEMORY_BYTES = 0x4000;

afterEach(() => {
  jest.restoreAllMocks();
});

/** Plays preadv or pwritev on `file`, with as few bytes as `amounts` says; 0 is an interrupted call. */
function playCalls(file: Uint8Array, amounts: readonly number[]): void {
  let turn = 0;
  const play = (write: boolean) => (_fd: number, vectors: number, count: number, offset: number) => {
    const amount = amounts[turn++ % amounts.length] as number;
    if (amount === 0) return -4;
    const list = new DataView(viewMemory(BigInt(vectors), 16 * count).slice().buffer);
    let done = 0;
    for (let index = 0; index < count && done < amount; index++) {
      const length = Math.min(
        Number(list.getBigUint64(16 * index + 8, true)),
        amount - done,
        file.length - offset - done,
      );
      if (length <= 0) break;
      const buffer = viewMemory(list.getBigUint64(16 * index, true), length);
      const part = file.subarray(offset + done, offset + done + length);
      if (write) part.set(buffer);
      else buffer.set(part);
      done += length;
    }
    return done;
  };
  jest.spyOn(blockIo, 'readVectors').mockImplementation(play(false));
  jest.spyOn(blockIo, 'writeVectors').mockImplementation(play(true));
}

const buffers = fc.array(
  fc.record({ address: fc.nat({ max: MEMORY_BYTES - 300 }), length: fc.integer({ min: 1, max: 300 }) }),
  { minLength: 1, maxLength: 10 },
);
/** The last one makes progress. */
const amounts = fc.array(fc.nat({ max: 200 }), { maxLength: 5 }).map((some) => [...some, 7]);

it('writes exactly the chosen bytes, however little each call takes', () => {
  const memory = fakeMemory(MEMORY_BYTES);
  for (let at = 0; at < MEMORY_BYTES; at++) memory.writeU8(at, (at * 7) ^ (at >> 8));
  const vectors = new GuestVectors(memory);
  fc.assert(
    fc.property(buffers, amounts, fc.nat(), fc.nat(), (ranges, some, from, until) => {
      const all = Buffer.concat(ranges.map(({ address, length }) => memory.slice(address, length)));
      const skip = from % all.length;
      const length = until % (all.length - skip + 1);
      const file = new Uint8Array(all.length + 5);
      playCalls(file, some);
      vectors.clear();
      vectors.add(ranges, skip, length);
      expect(vectors.bytes).toBe(length);
      expect(vectors.writeTo(1, 5)).toBe(0);
      expect(Buffer.from(file.subarray(5, 5 + length)).equals(all.subarray(skip, skip + length))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

it('reads exactly the chosen bytes, and nothing beside them', () => {
  const memory = fakeMemory(MEMORY_BYTES);
  const vectors = new GuestVectors(memory);
  fc.assert(
    fc.property(buffers, amounts, (some, few) => {
      // Buffers that don't lie upon each other.
      const ranges = some.map(({ length }, index) => ({ address: 1000 * index, length }));
      const bytes = ranges.reduce((sum, { length }) => sum + length, 0);
      const file = Uint8Array.from({ length: bytes }, (_, at) => (at % 255) + 1);
      playCalls(file, few);
      memory.slice(0, MEMORY_BYTES).fill(0);
      vectors.clear();
      vectors.add(ranges, 0, bytes);
      expect(vectors.readFrom(1, 0)).toBe(0);
      const read = Buffer.concat(ranges.map(({ address, length }) => memory.slice(address, length)));
      expect(read.equals(file)).toBe(true);
      expect(memory.slice(0, MEMORY_BYTES).filter((byte) => byte !== 0)).toHaveLength(bytes);
    }),
    { numRuns: 1000 },
  );
});

it('takes the end of the file for an error', () => {
  const vectors = new GuestVectors(fakeMemory(MEMORY_BYTES));
  playCalls(new Uint8Array(100), [1000]);
  vectors.add(
    [
      { address: 0, length: 64 },
      { address: 64, length: 64 },
    ],
    0,
    128,
  );
  expect(vectors.readFrom(1, 0)).toBe(-5);
});
