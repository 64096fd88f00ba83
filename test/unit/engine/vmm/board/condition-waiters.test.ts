import { ConditionWaiters } from '../../../../../engine/vmm/board/condition-waiters';

test('resolves at once, or when it is told of the change', async () => {
  const waiters = new ConditionWaiters();
  await waiters.until(() => true);
  let done = false;
  const waiting = waiters.until(() => done);
  waiters.settle();
  done = true;
  waiters.settle();
  await waiting;
});

test('a change while it looks is not lost', async () => {
  const waiters = new ConditionWaiters();
  const answers = [false, false, true];
  let last = false;
  const waiting = waiters.until(() => {
    last = answers.shift() ?? true;
    return last;
  });
  // The second answer is no, although the third, a moment later, would be yes.
  waiters.settle();
  expect(last).toBe(false);
  waiters.settle();
  await waiting;
  expect(answers).toEqual([]);
});
