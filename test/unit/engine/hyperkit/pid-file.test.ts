import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { writePidFile } from '../../../../engine/hyperkit/pid-file';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-pid-'));
  file = path.join(folder, 'hyperkit.pid');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('holds the process id and nothing else, for as long as it is needed', () => {
  const pidFile = writePidFile(file);
  expect(readFileSync(file, 'latin1')).toBe(String(process.pid));
  expect(statSync(file).mode & 0o777).toBe(0o644 & ~process.umask());
  pidFile.remove();
  expect(() => statSync(file)).toThrow(/ENOENT/);
});

test('one of a process that is gone is replaced', () => {
  // Above Linux's largest (pid_max is at most 2^22) and macOS's.
  writeFileSync(file, '4999999');
  writePidFile(file);
  expect(readFileSync(file, 'latin1')).toBe(String(process.pid));
});

test.each([
  [String(process.ppid), `process ${process.ppid} is running`],
  ['', 'it holds no process id'],
  ['12 monkeys', 'it holds no process id'],
])('%j is left alone', (text, reason) => {
  writeFileSync(file, text);
  expect(() => writePidFile(file)).toThrow(expect.objectContaining({ code: 'HK_MACHINE_RUNNING' }));
  expect(() => writePidFile(file)).toThrow(reason);
  expect(readFileSync(file, 'latin1')).toBe(text);
});

test('a folder that is not there', () => {
  expect(() => writePidFile(path.join(folder, 'no', 'pid'))).toThrow(/^Failed to set up pidfile .*ENOENT/);
});

test('another’s file is not removed', () => {
  const pidFile = writePidFile(file);
  writeFileSync(file, '1');
  pidFile.remove();
  expect(readFileSync(file, 'latin1')).toBe('1');
});
