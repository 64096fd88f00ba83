import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { digestOfIso } from '../../../../engine/warm/iso-digest';
import { temporaryFolder } from '../../../support/temporary-folder';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

let iso = '';
let cache = '';
beforeEach(() => {
  const folder = temporaryFolder();
  iso = path.join(folder, 'an.iso');
  cache = path.join(folder, 'cache');
  mkdirSync(cache);
});

/** Long enough for the clock of the file system to tell two writes apart. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2100));
const memory = (): string => path.join(cache, 'iso-digests.json');

test('is remembered for a file that has not changed for a while', async () => {
  writeFileSync(iso, 'first');
  expect(await digestOfIso(iso, cache)).toBe(sha256('first'));
  expect(existsSync(memory())).toBe(false);
  await settle();
  expect(await digestOfIso(iso, cache)).toBe(sha256('first'));
  expect(Object.values(JSON.parse(readFileSync(memory(), 'utf8')) as object)).toEqual([sha256('first')]);
  // What is remembered is believed.
  writeFileSync(memory(), readFileSync(memory(), 'utf8').replace(sha256('first'), 'f'.repeat(64)));
  expect(await digestOfIso(iso, cache)).toBe('f'.repeat(64));
});

test('is found anew when the content changed, though size and time are the same', async () => {
  writeFileSync(iso, 'first');
  const { atime, mtime } = statSync(iso);
  await settle();
  await digestOfIso(iso, cache);
  writeFileSync(iso, 'other');
  utimesSync(iso, atime, mtime);
  expect(await digestOfIso(iso, cache)).toBe(sha256('other'));
});

test.each(['', '{', '[1]', '{"a":1}', `{"a":"${'x'.repeat(100_000)}"}`])('a memory of %.20s is none', async (text) => {
  writeFileSync(iso, 'first');
  writeFileSync(memory(), text);
  expect(await digestOfIso(iso, cache)).toBe(sha256('first'));
});

test('needs no cache', async () => {
  writeFileSync(iso, 'first');
  await settle();
  expect(await digestOfIso(iso, path.join(cache, 'not', 'there'))).toBe(sha256('first'));
});
