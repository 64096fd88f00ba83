import fc from 'fast-check';
import { RateLimit } from '../../../../../engine/vmm/virtio/rate-limit';

it('gives a burst, then waits as long as it says', () => {
  const limit = new RateLimit(1000, 100);
  expect(limit.take(100, 0)).toBe(0);
  expect(limit.take(50, 0)).toBe(50);
  expect(limit.take(50, 49)).toBe(1);
  expect(limit.take(50, 50)).toBe(0);
});

it('never gives more than a burst and its rate, and never says to wait for nothing', () => {
  const asks = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 100 }), afterMs: fc.nat({ max: 200 }) }));
  fc.assert(
    fc.property(asks, (list) => {
      const limit = new RateLimit(1000, 100);
      let now = 0;
      let taken = 0;
      for (const { bytes, afterMs } of list) {
        now += afterMs;
        const wait = limit.take(bytes, now);
        if (wait > 0) {
          now += wait;
          expect(limit.take(bytes, now)).toBe(0);
        }
        taken += bytes;
        expect(taken).toBeLessThanOrEqual(100 + now + 1e-6);
      }
    }),
  );
});
