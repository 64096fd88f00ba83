import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withFileLock } from '../../../../driver/iso/file-lock';
import { temporaryFolder } from '../../../support/temporary-folder';

const folder = temporaryFolder();
let count = 0;
let path = '';
beforeEach(() => {
  path = join(folder, `lock-${count++}`);
});

const timing = { maxWaitMs: 3000, pollMs: 5, heartbeatMs: 20, silenceMs: 1000 };

it('lets one in at a time', async () => {
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      await withFileLock(
        path,
        async () => {
          most = Math.max(most, ++inside);
          await delay(15);
          inside--;
        },
        timing,
      );
    }),
  );
  expect(most).toBe(1);
  expect(existsSync(path)).toBe(false);
});

it('is free again after a failure', async () => {
  await expect(withFileLock(path, async () => await Promise.reject(new Error('no')), timing)).rejects.toThrow('no');
  expect(await withFileLock(path, async () => 'yes', timing)).toBe('yes');
});

it('pushes a dead holder aside, one at a time', async () => {
  writeFileSync(path, JSON.stringify({ pid: spawnSync('true').pid, host: hostname(), id: 'x' }));
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await delay(15);
    inside--;
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: 5 }, async () => await withFileLock(path, work, timing)));
  expect(performance.now() - startedMs).toBeLessThan(1000);
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  ['of another host', JSON.stringify({ pid: 1, host: 'elsewhere', id: 'x' })],
  ['that was never finished', ''],
])('pushes a silent holder %s aside', async (_, content) => {
  writeFileSync(path, content);
  utimesSync(path, 1, 1);
  expect(await withFileLock(path, async () => 'done', timing)).toBe('done');
});

it('waits for a holder that lives, and goes ahead when that takes too long', async () => {
  const held = withFileLock(path, async () => await delay(400), timing);
  await delay(20);
  const startedMs = performance.now();
  await withFileLock(path, async () => undefined, { ...timing, maxWaitMs: 150, silenceMs: 100 });
  const waitedMs = performance.now() - startedMs;
  expect(waitedMs).toBeGreaterThanOrEqual(140);
  expect(existsSync(path)).toBe(true);
  await held;
  expect(existsSync(path)).toBe(false);
});

it('goes ahead where no lock can be made', async () => {
  expect(await withFileLock(join(folder, 'none', 'lock'), async () => 'done', timing)).toBe('done');
});
