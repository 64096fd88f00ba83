import { Keepalive } from '../../../../../engine/net/tcp/keepalive';

const MINUTES = 60_000;

it('asks after five minutes of silence, every half minute, and gives up after nine questions', () => {
  const keepalive = new Keepalive(0);
  expect(keepalive.nextMs(0)).toBe(5 * MINUTES);
  let now = 5 * MINUTES;
  for (let question = 0; question < 9; question++) {
    expect(keepalive.look(now)).toBe('ask');
    expect(keepalive.nextMs(now)).toBe(now + 30_000);
    now += 30_000;
  }
  expect(keepalive.look(now)).toBe('give-up');
});

it('counts from the last word', () => {
  const keepalive = new Keepalive(0);
  keepalive.hear(2 * MINUTES);
  expect(keepalive.look(5 * MINUTES)).toBe(7 * MINUTES);
  expect(keepalive.look(7 * MINUTES)).toBe('ask');
  expect(keepalive.isAlive(7 * MINUTES)).toBe(false);
  keepalive.hear(7 * MINUTES + 1);
  expect(keepalive.isAlive(8 * MINUTES)).toBe(true);
  expect(keepalive.look(8 * MINUTES)).toBe(12 * MINUTES + 1);
});
