import { BackOff } from '../../../../driver/pool/back-off';
import { costOf, defaultLimitMiB } from '../../../../driver/pool/memory-budget';

test('waits twice as long after each failure, a minute at most, and not at all after a success', () => {
  const backOff = new BackOff();
  expect(backOff.isOver(0)).toBe(true);
  let now = 0;
  const waits = Array.from({ length: 40 }, () => {
    const lastsMs = backOff.fail(now);
    now += lastsMs;
    return lastsMs / 1000;
  });
  expect(waits.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(waits.at(-1)).toBe(60);
  backOff.fail(now);
  // Of several that were begun at the same time one counts.
  expect(backOff.fail(now + 1)).toBe(60_000);
  expect([backOff.isOver(now + 59_999), backOff.isOver(now + 60_000), backOff.isFailing]).toEqual([false, true, true]);
  backOff.succeed();
  expect([backOff.isOver(0), backOff.isFailing]).toEqual([true, false]);
  expect(backOff.fail(0)).toBe(1000);
});

test('a machine counts for more than its memory, and a pool has part of the computer', () => {
  expect(costOf(1024)).toBe(1152);
  expect(defaultLimitMiB()).toBeGreaterThan(64);
  expect(Number.isInteger(defaultLimitMiB())).toBe(true);
});
