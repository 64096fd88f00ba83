import { setTimeout as sleep } from 'node:timers/promises';
import { type LifeSign, watchLife } from '../../../../driver/plugin/life-sign';
import { until } from '../../../support/until';

let life: LifeSign;
afterEach(() => life.stop());

function watch(limitMs: number) {
  const silences: number[] = [];
  const start = performance.now();
  life = watchLife(() => silences.push(performance.now() - start), limitMs);
  return silences;
}

test('silence is reported once, at the limit', async () => {
  const silences = watch(100);
  await until('silence', () => silences.length > 0);
  await sleep(200);
  expect(silences).toHaveLength(1);
  expect(silences[0]).toBeGreaterThanOrEqual(90);
});

test('every sign begins the wait anew', async () => {
  const silences = watch(200);
  for (let round = 0; round < 10; round++) {
    await sleep(40);
    life.renew();
  }
  expect(silences).toEqual([]);
  await until('silence', () => silences.length > 0);
});

test('stopped, it stays quiet', async () => {
  const silences = watch(40);
  life.stop();
  await sleep(120);
  expect(silences).toEqual([]);
});

test('time in which the process did not run is not silence of the client', async () => {
  const silences = watch(200);
  await sleep(50);
  const until = performance.now() + 500;
  while (performance.now() < until);
  await sleep(20); // the heartbeats that came meanwhile are read now
  life.renew();
  await sleep(100);
  expect(silences).toEqual([]);
});
