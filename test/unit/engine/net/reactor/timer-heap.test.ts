import fc from 'fast-check';
import { type Timer, TimerHeap } from '../../../../../engine/net/reactor/timer-heap';

type Step =
  | { readonly kind: 'set'; readonly timer: number; readonly dueMs: number }
  | { readonly kind: 'clear'; readonly timer: number }
  | { readonly kind: 'run'; readonly byMs: number };

const TIMERS = 12;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({ kind: fc.constant('set' as const), timer: fc.nat(TIMERS - 1), dueMs: fc.nat(300) }),
    weight: 5,
  },
  { arbitrary: fc.record({ kind: fc.constant('clear' as const), timer: fc.nat(TIMERS - 1) }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('run' as const), byMs: fc.nat(40) }), weight: 2 },
);

it('fires what is due, each once, in order, whatever is set, set again and cleared', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new TimerHeap();
      const fired: number[] = [];
      const timers: Timer[] = Array.from({ length: TIMERS }, (_, index) => heap.create(() => void fired.push(index)));
      // The model: due times by timer.
      const due = new Map<number, number>();
      let nowMs = 0;
      for (const one of steps) {
        if (one.kind === 'set') {
          const dueMs = nowMs + one.dueMs;
          timers[one.timer]!.set(dueMs);
          due.set(one.timer, dueMs);
        } else if (one.kind === 'clear') {
          timers[one.timer]!.clear();
          due.delete(one.timer);
        } else {
          nowMs += one.byMs;
          const expected = [...due].filter(([, dueMs]) => dueMs <= nowMs);
          for (const [timer] of expected) due.delete(timer);
          fired.length = 0;
          heap.run(nowMs);
          const dueOf = new Map(expected);
          expect([...fired].sort()).toEqual(expected.map(([timer]) => timer).sort());
          const order = fired.map((timer) => dueOf.get(timer)!);
          expect(order).toEqual([...order].sort((a, b) => a - b));
        }
        expect(timers.map(({ pending }) => pending)).toEqual(timers.map((_, index) => due.has(index)));
        expect(heap.nextMs).toBeLessThanOrEqual(Math.min(Number.POSITIVE_INFINITY, ...due.values()));
      }
    }),
    { numRuns: 300 },
  );
});

it('knows nothing of a timer that was cleared, so that what it belongs to can go', () => {
  const heap = new TimerHeap();
  const timers = Array.from({ length: 100 }, () => heap.create(() => undefined));
  for (const [index, timer] of timers.entries()) timer.set(1000 + ((index * 37) % 100));
  for (const timer of timers) timer.clear();
  expect(heap.nextMs).toBe(Number.POSITIVE_INFINITY);
});

it('takes a later time without moving anything, and keeps it', () => {
  const heap = new TimerHeap();
  let fired = 0;
  const timer = heap.create(() => void fired++);
  timer.set(100);
  timer.set(500);
  expect(heap.nextMs).toBe(100);
  heap.run(499);
  expect([fired, heap.nextMs]).toEqual([0, 500]);
  heap.run(500);
  expect([fired, timer.pending]).toEqual([1, false]);
});

it('lets an action set its own timer and clear others', () => {
  const heap = new TimerHeap();
  const log: string[] = [];
  const second = heap.create(() => void log.push('second'));
  const first: Timer = heap.create(() => {
    log.push('first');
    second.clear();
    if (log.length < 3) first.set(20 * log.length);
  });
  first.set(10);
  second.set(15);
  heap.run(15);
  heap.run(20);
  heap.run(40);
  expect(log).toEqual(['first', 'first', 'first']);
  expect(heap.nextMs).toBe(Number.POSITIVE_INFINITY);
});
