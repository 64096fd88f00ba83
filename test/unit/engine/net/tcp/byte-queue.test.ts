import fc from 'fast-check';
import { ByteQueue } from '../../../../../engine/net/tcp/byte-queue';
import { ChunkPool, LARGE_CHUNK_BYTES, SMALL_CHUNK_BYTES } from '../../../../../engine/net/tcp/chunk-pool';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { pattern } from '../fixtures/test-network';

const MEBIBYTE = 1024 * 1024;
const source = allocatePinned(200_000);
pattern(200_000).copy(source.bytes);

type Step =
  | { readonly kind: 'push' | 'append' | 'drop' | 'advance'; readonly bytes: number }
  | { readonly kind: 'seek'; readonly part: number };

const bytes = fc.oneof(fc.nat(100), fc.nat(5000), fc.nat(70_000));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('push' as const, 'append' as const, 'drop' as const, 'advance' as const), bytes }),
  fc.record({ kind: fc.constant('seek' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

it('gives out what was put in, in order, and the cursor stays on its byte', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const pool = new ChunkPool(4 * MEBIBYTE);
      const queue = new ByteQueue(pool);
      let model = Buffer.alloc(0);
      let cursor = 0;
      let at = 0;
      for (const one of steps) {
        if (one.kind === 'push') {
          const from = at % 100_000;
          const taken = queue.push(source, from, from + one.bytes);
          expect(taken).toBeLessThanOrEqual(one.bytes);
          if (pool.lentBytes < 3 * MEBIBYTE) expect(taken).toBe(one.bytes);
          model = Buffer.concat([model, source.bytes.subarray(from, from + taken)]);
          at += taken;
        } else if (one.kind === 'append') {
          const chunk = pool.take(LARGE_CHUNK_BYTES);
          if (chunk === undefined) continue;
          const length = Math.min(1 + one.bytes, chunk.capacity);
          source.bytes.copy(chunk.buffer.bytes, chunk.base, 0, length);
          chunk.end = chunk.base + length;
          queue.append(chunk);
          model = Buffer.concat([model, source.bytes.subarray(0, length)]);
        } else if (one.kind === 'drop') {
          const count = Math.min(one.bytes, model.length);
          queue.drop(count);
          model = model.subarray(count);
          cursor = Math.max(0, cursor - count);
        } else if (one.kind === 'seek') {
          cursor = Math.floor(one.part * model.length);
          queue.seek(cursor);
        } else {
          // Never beyond the piece that the cursor is in, as senders do.
          const count = Math.min(one.bytes, queue.contiguous);
          queue.advance(count);
          cursor += count;
        }
        expect(queue.length).toBe(model.length);
        const { contiguous } = queue;
        expect(contiguous > 0).toBe(cursor < model.length);
        if (contiguous > 0) {
          const piece = queue.cursorBuffer.bytes.subarray(queue.cursorStart, queue.cursorStart + contiguous);
          expect(piece.equals(model.subarray(cursor, cursor + contiguous))).toBe(true);
        }
      }
      queue.clear();
      expect([queue.length, queue.contiguous, pool.lentBytes]).toEqual([0, 0, 0]);
    }),
    { numRuns: 150 },
  );
});

it('takes what the pool has memory for, no more', () => {
  const pool = new ChunkPool(MEBIBYTE);
  const queue = new ByteQueue(pool);
  let taken = 0;
  for (let count = 0; count < 20; count++) taken += queue.push(source, 0, 100_000);
  expect(taken).toBe(MEBIBYTE);
  expect(queue.push(source, 0, 1)).toBe(0);
  queue.drop(LARGE_CHUNK_BYTES);
  expect(queue.push(source, 0, 10)).toBe(10);
  queue.clear();
  expect(pool.lentBytes).toBe(0);
});

describe('the pool', () => {
  it('lends small chunks for little, large ones for much, and knows what it lent', () => {
    const pool = new ChunkPool(2 * MEBIBYTE);
    const small = pool.take(SMALL_CHUNK_BYTES)!;
    const large = pool.take(SMALL_CHUNK_BYTES + 1)!;
    expect([small.capacity, large.capacity]).toEqual([SMALL_CHUNK_BYTES, LARGE_CHUNK_BYTES]);
    expect(pool.lentBytes).toBe(SMALL_CHUNK_BYTES + LARGE_CHUNK_BYTES);
    pool.give(small);
    pool.give(large);
    expect(pool.lentBytes).toBe(0);
  });

  it('hands out no byte twice', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 1200 }), (steps) => {
        const pool = new ChunkPool(2 * MEBIBYTE);
        const lent = new Map<string, ReturnType<ChunkPool['take']>>();
        for (const [takes, small] of steps) {
          if (takes || lent.size === 0) {
            const chunk = pool.take(small ? 1 : LARGE_CHUNK_BYTES);
            if (chunk === undefined) continue;
            for (let base = chunk.base; base < chunk.base + chunk.capacity; base += SMALL_CHUNK_BYTES) {
              const key = `${chunk.buffer.address + base}`;
              expect(lent.has(key)).toBe(false);
              lent.set(key, chunk);
            }
          } else {
            const chunk = lent.values().next().value!;
            for (let base = chunk.base; base < chunk.base + chunk.capacity; base += SMALL_CHUNK_BYTES) {
              lent.delete(`${chunk.buffer.address + base}`);
            }
            pool.give(chunk);
          }
          expect(pool.lentBytes).toBe(lent.size * SMALL_CHUNK_BYTES);
          expect(pool.lentBytes).toBeLessThanOrEqual(2 * MEBIBYTE);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('turns memory of one size into the other, whatever came before', () => {
    const pool = new ChunkPool(MEBIBYTE);
    for (let round = 0; round < 3; round++) {
      const small = Array.from({ length: MEBIBYTE / SMALL_CHUNK_BYTES }, () => pool.take(1)!);
      expect(small.every(({ capacity }) => capacity === SMALL_CHUNK_BYTES)).toBe(true);
      expect(pool.take(1)).toBeUndefined();
      expect([pool.scarce, pool.nearlyUsedUp, pool.usedUp]).toEqual([true, true, true]);
      for (const chunk of small) pool.give(chunk);
      const large = Array.from({ length: MEBIBYTE / LARGE_CHUNK_BYTES }, () => pool.take(LARGE_CHUNK_BYTES)!);
      expect(large.every(({ capacity }) => capacity === LARGE_CHUNK_BYTES)).toBe(true);
      expect(pool.take(LARGE_CHUNK_BYTES)).toBeUndefined();
      for (const chunk of large) pool.give(chunk);
    }
  });

  it('lends small chunks rather than none', () => {
    const pool = new ChunkPool(MEBIBYTE);
    for (let count = 0; count < 15; count++) pool.take(LARGE_CHUNK_BYTES);
    pool.take(1);
    expect(pool.take(LARGE_CHUNK_BYTES)?.capacity).toBe(SMALL_CHUNK_BYTES);
  });
});
