import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFile, replaceFile, temporaryPath } from '../../../../engine/storage/atomic-file';
import { temporaryFolder } from '../../../support/temporary-folder';

const folder = temporaryFolder();

it('replaces a file, with the mode asked for whatever the umask', async () => {
  const path = join(folder, 'replaced');
  writeFileSync(path, 'old');
  const before = process.umask(0o077);
  await replaceFile(path, 0o644, async (file) => await file.writeFile('new'));
  process.umask(before);
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o777).toBe(0o644);
});

it('keeps the old content when writing fails', async () => {
  const path = join(folder, 'kept');
  writeFileSync(path, 'old');
  const failing = replaceFile(path, 0o600, async (file) => {
    await file.writeFile('half');
    throw new Error('no more');
  });
  await expect(failing).rejects.toThrow('no more');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

it('creates only what is not there', async () => {
  const path = join(folder, 'created');
  expect(await createFile(path, 0o600, async (file) => await file.writeFile('first'))).toBe(true);
  expect(await createFile(path, 0o600, async (file) => await file.writeFile('second'))).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe('first');
});

it('sweeps up after writers that died long ago, and after nobody else', async () => {
  const path = join(folder, 'swept');
  const deadPid = spawnSync('true').pid;
  const dead = join(folder, `.swept.${deadPid}.0123abcd.tmp`);
  const young = join(folder, `.swept.${deadPid}.aaaaaaaa.tmp`);
  const living = temporaryPath(path);
  for (const name of [dead, young, living]) writeFileSync(name, 'x');
  const longAgo = new Date(Date.now() - 3_600_000);
  for (const name of [dead, living]) utimesSync(name, longAgo, longAgo);
  await replaceFile(path, 0o600, async (file) => await file.writeFile('y'));
  const left = readdirSync(folder).map((name) => join(folder, name));
  expect(left).toEqual(expect.arrayContaining([young, living, path]));
  expect(left).not.toContain(dead);
});
