import fc from 'fast-check';
import { ReceiveWindow } from '../../../../../engine/net/tcp/receive-window';

function open(scaling: boolean, sequence = 1000): ReceiveWindow {
  const window = new ReceiveWindow();
  window.scaling = scaling;
  window.begin(sequence);
  return window;
}

it('promises a megabyte to a guest that scales, less when memory is scarce, 65,535 bytes to others', () => {
  expect(open(true).promise(0, false)).toBe((1024 * 1024) >> 7);
  expect(open(true).promise(0, true)).toBe((64 * 1024) >> 7);
  expect(open(false).promise(0, false)).toBe(0xffff);
  expect([open(true).scale, open(false).scale]).toEqual([7, -1]);
});

it('promises less for what waits for the host, and keeps what was promised', () => {
  const window = open(true);
  window.promise(0, false);
  window.advance(500_000);
  expect(window.promise(500_000, false)).toBe((1024 * 1024 - 500_000) >> 7);
  expect(window.promise(1024 * 1024, true)).toBe((1024 * 1024 - 500_000) >> 7);
  window.advance(window.promised);
  expect(window.promise(1024 * 1024, false)).toBe(0);
});

it('tells news that are worth a segment', () => {
  const window = open(true);
  window.promise(0, false);
  window.advance(window.promised);
  expect(window.isWorthTelling(1024 * 1024 - 2919, false, 1460)).toBe(false);
  expect(window.isWorthTelling(1024 * 1024 - 2920, false, 1460)).toBe(true);
  // A quarter of the window is, however long the segments are.
  expect(window.isWorthTelling(768 * 1024, false, 200_000)).toBe(true);
});

describe('what may come (RFC 9293 section 3.10.7.4)', () => {
  test.each([
    [0, 0, true],
    [0, -1, false],
    [0, 1, false],
    [1, 0, false],
  ])('while the window is closed: %d numbers that begin %d ahead', (length, ahead, may) => {
    expect(open(false).accepts(ahead, length)).toBe(may);
  });

  test.each([
    [0, 0, true],
    [0, 65_534, true],
    [0, 65_535, false],
    [0, -1, false],
    [10, 0, true],
    [10, 65_534, true],
    [10, 65_535, false],
    [10, -9, true],
    [10, -10, false],
  ])('while the window has 65,535: %d numbers that begin %d ahead', (length, ahead, may) => {
    const window = open(false);
    window.promise(0, false);
    expect(window.accepts(ahead, length)).toBe(may);
  });
});

it('never takes a promise back, over the end of the numbers', () => {
  const step = fc.record({ taken: fc.nat(100_000), queued: fc.nat(1024 * 1024), scarce: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step), fc.boolean(), fc.integer(), (steps, scaling, first) => {
      const window = open(scaling, first | 0);
      let edge = window.next;
      for (const { taken, queued, scarce } of steps) {
        window.promise(queued, scarce);
        expect((window.next + window.promised - edge) | 0).toBeGreaterThanOrEqual(0);
        edge = (window.next + window.promised) | 0;
        window.advance(Math.min(taken, window.promised));
        expect(window.promised).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
