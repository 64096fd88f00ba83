import { chmodSync, existsSync, mkdirSync, readdirSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { checkWarm } from '../../../../driver/doctor/check-warm';
import { warmCache } from '../../../../driver/warm/warm-settings';
import { temporaryFolder } from '../../../support/temporary-folder';
import { putImage } from '../../engine/warm/warm-bench';

const environment = { ...process.env };
beforeEach(() => {
  process.env['XDG_CACHE_HOME'] = temporaryFolder();
});
afterEach(() => {
  process.env = { ...environment };
});

test('without a cache all is well', async () => {
  expect(await checkWarm()).toEqual([
    { subject: 'warm images', level: 'ok', text: `0 images, 0 of 8192 MiB in ${warmCache()}` },
  ]);
  expect(existsSync(warmCache())).toBe(false);
});

test('what is damaged or left over is told, and --fix removes it and nothing else', async () => {
  mkdirSync(warmCache(), { recursive: true, mode: 0o700 });
  const good = await putImage(warmCache(), 1);
  const bad = await putImage(warmCache(), 2);
  truncateSync(path.join(bad.folder, 'disk'), 100);
  mkdirSync(path.join(warmCache(), `${'d'.repeat(32)}.draft`));
  const [size, damage, abandoned, ...others] = await checkWarm();
  expect(size?.text).toMatch(/^2 images, \d of 8192 MiB/);
  expect(damage).toMatchObject({ level: 'warn', mend: `hyperkit image rm ${bad.key}` });
  expect(damage?.text).toContain(`${bad.key} cannot be used: disk has 100 bytes`);
  expect(abandoned).toMatchObject({ level: 'warn', text: '1 folder of processes that are gone' });
  expect(others).toEqual([]);
  await damage?.fix?.();
  await abandoned?.fix?.();
  expect(readdirSync(warmCache())).toEqual([good.key]);
  expect(await checkWarm()).toHaveLength(1);
});

test('a folder that others may use is told', async () => {
  mkdirSync(warmCache(), { recursive: true });
  chmodSync(warmCache(), 0o777);
  expect(await checkWarm()).toEqual([
    expect.objectContaining({ level: 'warn', mend: `rm -r ${warmCache()}` }) as unknown,
  ]);
});
