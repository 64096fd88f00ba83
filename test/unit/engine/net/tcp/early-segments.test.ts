import fc from 'fast-check';
import { ChunkPool } from '../../../../../engine/net/tcp/chunk-pool';
import { EarlySegments } from '../../../../../engine/net/tcp/early-segments';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { pattern } from '../fixtures/test-network';

const MEBIBYTE = 1024 * 1024;
const source = allocatePinned(200_000);
pattern(200_000).copy(source.bytes);

function blocksOf(early: EarlySegments): [number, number][] {
  const view = new DataView(new ArrayBuffer(64));
  const length = early.writeBlocks(view, 1);
  if (length === 0) return [];
  expect([view.getUint16(1), view.getUint8(3), view.getUint8(4)]).toEqual([0x0101, 5, length - 2]);
  return Array.from({ length: (length - 4) / 8 }, (_, index) => [
    view.getUint32(5 + 8 * index),
    view.getUint32(9 + 8 * index),
  ]);
}

it('gives what came early in the order of the stream, and tells what it has', () => {
  const segment = fc.tuple(
    fc.integer({ min: 1, max: 9000 }),
    fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 40_000 })),
  );
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.array(segment, { minLength: 1, maxLength: 12 }), (base, segments) => {
      const pool = new ChunkPool(8 * MEBIBYTE);
      const early = new EarlySegments(pool);
      // The stream is the source's bytes; byte 0, which all wait for, has the number `base`.
      const has = new Uint8Array(50_000);
      for (const [at, length] of segments) {
        early.keep((base + at) | 0, source, at, at + length);
        has.fill(1, at, at + length);
      }
      const blocks = blocksOf(early).map(([start, end]) => [(start - base) >>> 0, (end - base) >>> 0] as const);
      const [lastAt] = segments.at(-1)!;
      expect(blocks[0]![0] <= lastAt && lastAt < blocks[0]![1]).toBe(true);
      for (const [start, end] of blocks) {
        expect(has.subarray(start, end).includes(0)).toBe(false);
        expect([has[start - 1], has[end]]).toEqual([0, 0]);
      }
      expect(early.takeAt(base | 0)).toBeUndefined();
      for (let next = has.indexOf(1); next >= 0; next = has.indexOf(1, next)) {
        for (
          let piece = early.takeAt((base + next) | 0);
          piece !== undefined;
          piece = early.takeAt((base + next) | 0)
        ) {
          const { sequence, chunk } = piece;
          const from = (sequence - base) | 0;
          const bytes = chunk.buffer.bytes.subarray(chunk.start, chunk.end);
          expect(bytes.equals(source.bytes.subarray(from, from + bytes.length))).toBe(true);
          next = from + bytes.length;
          pool.give(chunk);
        }
        expect(has[next]).toBe(0);
      }
      expect([pool.lentBytes, blocksOf(early)]).toEqual([0, []]);
    }),
    { numRuns: 80 },
  );
});

it('keeps a bounded amount, nothing when memory is scarce, and gives all back', () => {
  const pool = new ChunkPool(4 * MEBIBYTE);
  const early = new EarlySegments(pool);
  for (let count = 0; count < 2000; count++) early.keep(10_000 * count, source, 0, 1460);
  expect(pool.lentBytes).toBe(MEBIBYTE);
  expect(blocksOf(early)).toHaveLength(4);
  const others = Array.from({ length: 4 }, () => new EarlySegments(pool));
  for (const other of others) for (let count = 0; count < 2000; count++) other.keep(10_000 * count, source, 0, 1460);
  expect(pool.lentBytes).toBeLessThan(3.1 * MEBIBYTE);
  for (const one of [early, ...others]) one.clear();
  expect(pool.lentBytes).toBe(0);
});
