import { Turns } from '../../../../driver/lifecycle/turns';

const never = new AbortController().signal;

test('no more than so many go on at a time, in their order, and a failure gives way', async () => {
  const turns = new Turns(2);
  const log: string[] = [];
  let running = 0;
  const work = (name: string) => async (): Promise<void> => {
    log.push(name);
    expect(++running).toBeLessThanOrEqual(2);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (name === 'b') throw new Error(name);
  };
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => turns.run(never, work(name))));
  expect(log).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(outcomes.map(({ status }) => status === 'rejected')).toEqual([false, true, false, false, false]);
});

test('who is given up while waiting does nothing, and the next one has the turn', async () => {
  const turns = new Turns(1);
  const abort = new AbortController();
  let finish: () => void = () => undefined;
  const first = turns.run(never, () => new Promise<void>((resolve) => (finish = resolve)));
  const second = turns.run(abort.signal, async () => 'done');
  const third = turns.run(never, async () => 'done');
  abort.abort(new Error('enough'));
  finish();
  await first;
  await expect(second).rejects.toThrow('enough');
  expect(await third).toBe('done');
});
