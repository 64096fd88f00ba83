import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readConsoleLog } from '../../../../engine/console/follow-log';
import { PlainLines } from '../../../../engine/console/plain-lines';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

async function read(folder: string, tail?: number): Promise<string> {
  const parts: Uint8Array[] = [];
  const signal = new AbortController().signal;
  for await (const bytes of readConsoleLog(folder, { tail, follow: false, signal })) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

test.each([
  [undefined, 'one\ntwo\nthree\n'],
  [0, ''],
  [1, 'three\n'],
  [2, 'two\nthree\n'],
  [3, 'one\ntwo\nthree\n'],
  [9, 'one\ntwo\nthree\n'],
])('the last %p lines', async (tail, text) => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'console.log'), 'one\ntwo\nthree\n');
  expect(await read(folder, tail)).toBe(text);
});

test('the last lines of a long log, a prompt among them; of none, nothing', async () => {
  const folder = temporaryFolder();
  expect(await read(folder)).toBe('');
  writeFileSync(path.join(folder, 'console.log'), `${'x'.repeat(200_000)}\n${'y'.repeat(100_000)}\nlogin: `);
  expect(await read(folder, 1)).toBe('login: ');
  expect((await read(folder, 2)).length).toBe(100_008);
  expect((await read(folder)).length).toBe(300_009);
});

test('follows what is written, a log that was put aside, and the end of the machine', async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'console.log');
  writeFileSync(file, 'old\nfirst boot\n');
  let heard = '';
  const following = (async () => {
    const reading = { tail: 1, follow: true, signal: new AbortController().signal };
    for await (const bytes of readConsoleLog(folder, reading)) heard += Buffer.from(bytes).toString();
  })();
  await until('the tail', () => heard === 'first boot\n');
  appendFileSync(file, 'more\n');
  await until('more', () => heard.endsWith('more\n'));
  appendFileSync(file, 'last words\n');
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'second boot\n');
  await until('the second boot', () => heard.endsWith('last words\nsecond boot\n'));
  rmSync(folder, { recursive: true });
  await following;
});

test('stops when it is told to', async () => {
  const abort = new AbortController();
  const folder = temporaryFolder();
  const following = (async () => {
    for await (const _bytes of readConsoleLog(folder, { tail: undefined, follow: true, signal: abort.signal }));
  })();
  abort.abort();
  await following;
});

test('lines for a terminal carry no control sequences, whole or in parts', () => {
  const lines = new PlainLines();
  expect(lines.push(Buffer.from('a\x1b[2Jb\r\nlo'))).toEqual(['ab']);
  expect(lines.push(Buffer.from('gin\x1b]0;title\x07: '))).toEqual([]);
  expect(lines.end()).toEqual(['login:']);
  expect(new PlainLines().push(Buffer.alloc(20_000, 0x61))).toHaveLength(1);
});
