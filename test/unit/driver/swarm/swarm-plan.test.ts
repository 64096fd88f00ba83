import { planSwarm, readNodeLabels } from '../../../../driver/swarm/swarm-plan';

test('machines are called by their swarm, their role and a number', () => {
  expect(planSwarm('prod', { managers: 1, workers: 2 })).toEqual({
    managers: ['prod-manager-1'],
    workers: ['prod-worker-1', 'prod-worker-2'],
  });
  expect(planSwarm('a', { managers: 3, workers: 0 }).workers).toEqual([]);
});

test.each([
  [{ managers: 0, workers: 1 }, '--managers: it must be a whole number from 1 to 7'],
  [{ managers: 8, workers: 1 }, '--managers'],
  [{ managers: 1.5, workers: 1 }, '--managers'],
  [{ managers: Number.NaN, workers: 1 }, '--managers'],
  [{ managers: 1, workers: -1 }, '--workers: it must be a whole number from 0 to 200'],
  [{ managers: 1, workers: 201 }, '--workers'],
])('refuses %j', (counts, text) => {
  expect(() => planSwarm('prod', counts)).toThrow(text);
});

test.each(['', '-x', 'a/b', '../a', 'a b', 'x'.repeat(60)])('refuses the name %j, which names machines', (name) => {
  expect(() => planSwarm(name, { managers: 1, workers: 0 })).toThrow('cannot name a machine');
});

test('labels are as with Docker: the value may be missing, or hold more signs of equality', () => {
  expect(readNodeLabels(['tier=web', 'ssd', 'q=a=b', 'e='])).toEqual({ tier: 'web', ssd: '', q: 'a=b', e: '' });
  for (const word of ['', '=x', 'a b=c', 'a=b\nc']) {
    expect(() => readNodeLabels([word])).toThrow('it must be key=value on one line');
  }
});
