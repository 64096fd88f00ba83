import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WatchedFile } from '../../../../engine/net/watched-file';
import type { FileReading } from '../../../../engine/storage/small-file';
import { temporaryFolder } from '../../../support/temporary-folder';
import { onEnd } from './dns/dns-fixture';

/** Watches; `sees` resolves when a reading with that text or problem has come. */
function watchIt(file: string) {
  const readings: FileReading[] = [];
  let wake: () => void = () => undefined;
  const onReading = (reading: FileReading): void => {
    readings.push(reading);
    wake();
  };
  const watched = new WatchedFile(file, { maxBytes: 100, onReading, log: (line) => readings.push({ problem: line }) });
  onEnd(() => watched.close());
  const sees = async (text: string): Promise<void> => {
    const isSeen = () => {
      const last = readings.at(-1) ?? { text: '' };
      return ('text' in last ? last.text : last.problem).includes(text);
    };
    while (!isSeen()) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { sees, readings };
}

function write(file: string, text: string): string {
  writeFileSync(file, text);
  return file;
}

it('reads a file at once, and when it is written to or replaced', async () => {
  const file = write(join(temporaryFolder(), 'file'), 'one');
  const { sees, readings } = watchIt(file);
  expect(readings).toEqual([{ text: 'one' }]);
  appendFileSync(file, ' two');
  await sees('one two');
  renameSync(write(`${file}.new`, 'three'), file);
  await sees('three');
  renameSync(write(`${file}.new`, 'four'), file);
  await sees('four');
});

it('sees a file vanish and appear, with its folders', async () => {
  const folder = temporaryFolder();
  const { sees, readings } = watchIt(join(folder, 'a', 'b', 'file'));
  expect(readings).toEqual([{ problem: expect.stringContaining('ENOENT'), code: 'ENOENT' }]);
  for (const text of ['one', 'two']) {
    mkdirSync(join(folder, 'a', 'b'), { recursive: true });
    write(join(folder, 'a', 'b', 'file'), text);
    await sees(text);
    rmSync(join(folder, 'a'), { recursive: true });
    await sees('ENOENT');
  }
});

it('follows links to where they lead now', async () => {
  const folder = temporaryFolder();
  for (const name of ['one', 'two']) {
    mkdirSync(join(folder, name));
    write(join(folder, name, 'real'), name);
  }
  symlinkSync('one', join(folder, 'current'));
  symlinkSync('current/real', join(folder, 'link'));
  const { sees } = watchIt(join(folder, 'link'));
  await sees('one');
  renameSync(write(join(folder, 'one', 'new'), 'one again'), join(folder, 'one', 'real'));
  await sees('one again');
  symlinkSync('two', join(folder, 'next'));
  renameSync(join(folder, 'next'), join(folder, 'current'));
  await sees('two');
  write(join(folder, 'two', 'real'), 'two again');
  await sees('two again');
});

it('says what it cannot read', () => {
  const folder = temporaryFolder();
  symlinkSync('loop', join(folder, 'loop'));
  expect(watchIt(join(folder, 'loop')).readings).toEqual([
    { problem: expect.stringContaining('ELOOP'), code: 'ELOOP' },
  ]);
  expect(watchIt(folder).readings).toEqual([{ problem: 'it is no regular file' }]);
  const large = write(join(folder, 'large'), 'x'.repeat(101));
  expect(watchIt(large).readings).toEqual([{ problem: 'it is longer than 100 bytes' }]);
  const below = join(large, 'below');
  expect(watchIt(below).readings).toEqual([{ problem: expect.stringContaining('ENOTDIR'), code: 'ENOTDIR' }]);
});
