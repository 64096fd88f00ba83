import fc from 'fast-check';
import { CongestionWindow } from '../../../../../engine/net/tcp/congestion-window';

const MSS = 1460;
const FIRST = 8 * 1024 * 1024;
const LARGEST = 16 * 1024 * 1024;

/** A window that lost its first segment of `segments` under way, at number `una`. */
function lose(window: CongestionWindow, una: number, segments: number): void {
  const sent = (una + segments * MSS) | 0;
  expect(window.countDuplicate(una, sent, MSS)).toBe(false);
  expect(window.countDuplicate(una, sent, MSS)).toBe(false);
  expect(window.countDuplicate(una, sent, MSS)).toBe(true);
}

it('starts wide, and grows by what arrives until it is as wide as it may be', () => {
  const window = new CongestionWindow();
  expect(window.bytes).toBe(FIRST);
  window.acknowledge(1000, 1000, MSS);
  expect(window.bytes).toBe(FIRST + 1000);
  window.acknowledge(FIRST, FIRST - 1000, MSS);
  window.acknowledge(FIRST + 1, 1, MSS);
  expect(window.bytes).toBe(LARGEST);
});

it.each([0, 0x7fff_f000, -2000])('recovers from a loss at number %d (RFC 6582)', (una) => {
  const window = new CongestionWindow();
  lose(window, una, 20);
  expect(window.bytes).toBe(10 * MSS + 3 * MSS);
  // Each further duplicate is a segment that has left.
  expect(window.countDuplicate(una, una + 20 * MSS, MSS)).toBe(false);
  expect(window.bytes).toBe(14 * MSS);
  expect(window.acknowledge((una + 5 * MSS) | 0, 5 * MSS, MSS)).toBe(true);
  expect(window.acknowledge((una + 20 * MSS) | 0, 15 * MSS, MSS)).toBe(false);
  expect(window.bytes).toBe(10 * MSS);
});

it('grows by about a segment for each window after a loss', () => {
  const window = new CongestionWindow();
  lose(window, 0, 20);
  window.acknowledge(20 * MSS, 20 * MSS, MSS);
  for (let segment = 0; segment < 10; segment++) window.acknowledge((21 + segment) * MSS, MSS, MSS);
  expect(window.bytes).toBeGreaterThan(10.9 * MSS);
  expect(window.bytes).toBeLessThanOrEqual(11 * MSS);
});

it('begins small when nothing is answered, fast up to half of what was under way', () => {
  const window = new CongestionWindow();
  window.timeOut(0, 20 * MSS, MSS);
  expect(window.bytes).toBe(2 * MSS);
  window.acknowledge(8 * MSS, 8 * MSS, MSS);
  expect(window.bytes).toBe(10 * MSS);
  window.acknowledge(9 * MSS, MSS, MSS);
  expect(window.bytes).toBe(10 * MSS + MSS / 10);
});

it('counts duplicates anew after something arrived', () => {
  const window = new CongestionWindow();
  window.countDuplicate(0, 20 * MSS, MSS);
  window.countDuplicate(0, 20 * MSS, MSS);
  window.acknowledge(MSS, MSS, MSS);
  lose(window, MSS, 19);
});

it('always lets a segment out', () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant('acknowledge' as const), count: fc.integer({ min: 1, max: 50_000 }) }),
    fc.record({
      kind: fc.constantFrom('duplicate' as const, 'time-out' as const),
      count: fc.integer({ max: 100_000, min: 1 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 64, max: 65_000 }), (events, mss) => {
      const window = new CongestionWindow();
      let una = 0;
      for (const { kind, count } of events) {
        if (kind === 'acknowledge') {
          una += count;
          window.acknowledge(una, count, mss);
        } else if (kind === 'duplicate') window.countDuplicate(una, una + count, mss);
        else window.timeOut(una, una + count, mss);
        expect(window.bytes).toBeGreaterThanOrEqual(mss);
        expect(Number.isInteger(window.bytes)).toBe(true);
      }
    }),
  );
});
