import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSmallFile } from '../../../../engine/storage/small-file';
import { temporaryFolder } from '../../../support/temporary-folder';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);

it('reads text, also behind a link, up to the last byte that is allowed', () => {
  writeFileSync(at('text'), 'grüße\n');
  symlinkSync('text', at('link'));
  expect(readSmallFile(at('link'), 8)).toEqual({ text: 'grüße\n' });
  expect(readSmallFile(at('text'), 7)).toEqual({ problem: 'it is longer than 7 bytes' });
  writeFileSync(at('empty'), '');
  expect(readSmallFile(at('empty'), 0)).toEqual({ text: '' });
});

it.each([
  ['a folder', (path: string) => mkdirSync(path)],
  ['a FIFO that nobody writes to', (path: string) => spawnSync('mkfifo', [path])],
])('does not read %s', (name, make) => {
  make(at(name));
  expect(readSmallFile(at(name), 100)).toEqual({ problem: 'it is no regular file' });
});

it('tells a file that is not there from others', () => {
  expect(readSmallFile(at('nowhere'), 100)).toEqual({ problem: expect.stringContaining('ENOENT'), code: 'ENOENT' });
  writeFileSync(at('file'), '');
  expect(readSmallFile(at('file/below'), 100)).toMatchObject({ code: 'ENOTDIR' });
});
