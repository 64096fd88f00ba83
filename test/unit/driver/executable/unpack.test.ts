import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { checkFolder, unpackOnce } from '../../../../driver/executable/unpack';
import { temporaryFolder } from '../../../support/temporary-folder';

const CONTENT: Readonly<Record<string, string>> = {
  'dist/program.cjs': 'module.exports = 1;',
  'image/build': '#!/bin/sh',
};
const files = Object.entries(CONTENT).map(([name, text]) => ({
  path: name,
  mode: name === 'image/build' ? 0o700 : 0o600,
  sha256: createHash('sha256').update(text).digest('hex'),
}));
const readAsset = (name: string): Uint8Array => Buffer.from(CONTENT[name] ?? '');

test('unpacks everything once, for this user alone', () => {
  const all = path.join(temporaryFolder(), 'cache', 'programs');
  const folder = path.join(all, '2.0.0-x');
  unpackOnce(folder, { files }, readAsset);
  for (const file of files) {
    expect(readFileSync(path.join(folder, file.path), 'utf8')).toBe(CONTENT[file.path]);
    expect(statSync(path.join(folder, file.path)).mode & 0o777).toBe(file.mode);
  }
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readdirSync(all)).toEqual(['2.0.0-x']);
  unpackOnce(folder, { files }, () => {
    throw new Error('read again');
  });
});

test('a damaged executable leaves nothing', () => {
  const all = temporaryFolder();
  const damaged = (name: string): Uint8Array => (name === 'image/build' ? Buffer.from('#!/bin/sh\n') : readAsset(name));
  expect(() => unpackOnce(path.join(all, 'x'), { files }, damaged)).toThrow(/executable is damaged \(image\/build\)/);
  expect(readdirSync(all)).toEqual([]);
});

test('whoever comes second takes what the first has made', () => {
  const folder = path.join(temporaryFolder(), 'x');
  let isFirst = true;
  unpackOnce(folder, { files }, (name) => {
    if (isFirst) {
      isFirst = false;
      unpackOnce(folder, { files }, readAsset);
    }
    return readAsset(name);
  });
  expect(readdirSync(path.dirname(folder))).toEqual(['x']);
});

test('a folder that others may write to, and a link to one, are not run from', () => {
  const all = temporaryFolder();
  mkdirSync(path.join(all, 'open'));
  chmodSync(path.join(all, 'open'), 0o777);
  mkdirSync(path.join(all, 'real'), { mode: 0o700 });
  symlinkSync('real', path.join(all, 'link'));
  for (const name of ['open', 'link']) {
    expect(() => unpackOnce(path.join(all, name), { files }, readAsset)).toThrow(
      /is not a folder of this user alone.*XDG_CACHE_HOME/,
    );
  }
  expect(checkFolder(path.join(all, 'real'))).toBe(true);
  expect(checkFolder(path.join(all, 'none'))).toBe(false);
});
