import fc from 'fast-check';
import { RoundTrip } from '../../../../../engine/net/tcp/round-trip';

it('waits a second before anything is known, and twice as long each time (RFC 6298)', () => {
  const trip = new RoundTrip();
  expect([0, 1, 2, 5, 6, 100].map((count) => trip.timeoutMs(count))).toEqual([
    1000, 2000, 4000, 32_000, 60_000, 60_000,
  ]);
  trip.assumeShort();
  expect(trip.timeoutMs(0)).toBe(200);
});

it('learns from answers', () => {
  const trip = new RoundTrip();
  trip.begin(100, 0);
  trip.acknowledge(100, 400);
  expect(trip.timeoutMs(0)).toBe(1000); // The segment at 100 is not acknowledged yet.
  trip.acknowledge(101, 500);
  expect(trip.timeoutMs(0)).toBe(500 + 4 * 250);
  trip.begin(200, 1000);
  trip.acknowledge(300, 1500);
  expect(trip.timeoutMs(0)).toBe(500 + 4 * 187.5);
});

it('times one segment at a time, and none that is sent again', () => {
  const trip = new RoundTrip();
  trip.begin(100, 0);
  trip.begin(200, 300);
  trip.acknowledge(150, 400);
  expect(trip.timeoutMs(0)).toBe(400 + 4 * 200);
  trip.begin(300, 1000);
  trip.forget();
  trip.acknowledge(400, 9000);
  expect(trip.timeoutMs(0)).toBe(400 + 4 * 200);
});

it('stays within a fifth of a second and a minute, over the end of the numbers', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 50 }), fc.integer(), (samples, first) => {
      const trip = new RoundTrip();
      let now = 0;
      let sequence = first | 0;
      for (const sample of samples) {
        trip.begin(sequence, now);
        now += sample;
        sequence = (sequence + 1000) | 0;
        trip.acknowledge(sequence, now);
        expect(trip.timeoutMs(0)).toBeGreaterThanOrEqual(200);
        expect(trip.timeoutMs(0)).toBeLessThanOrEqual(60_000);
      }
    }),
  );
});
