import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { AddressBookFile } from '../../../../../engine/net/addressing/address-book-file';
import { planNetwork } from '../../../../../engine/net/addressing/plan-network';
import { temporaryFolder } from '../../../../support/temporary-folder';

const folder = temporaryFolder();
const plan = planNetwork();
const UUID = 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5';
const OTHER = 'c3d68012-0208-11ea-9fd7-f2189899ab08';

function openBook(path: string) {
  const lines: string[] = [];
  return { lines, file: AddressBookFile.open(path, plan, (line) => lines.push(line)) };
}

it('starts empty, and gives a guest the same after a restart', async () => {
  const path = join(folder, 'addresses.json');
  const first = openBook(path);
  first.file.book.connect({ uuid: OTHER });
  const guest = first.file.book.connect({ uuid: UUID });
  await first.file.close();
  expect(first.lines).toEqual([]);
  expect(statSync(path).mode & 0o777).toBe(0o600);

  const second = openBook(path);
  const { leave: _leave, ...before } = guest as Extract<typeof guest, { admitted: true }>;
  expect(second.file.book.connect({ uuid: UUID })).toMatchObject(before);
  await second.file.close();
});

it('writes by itself, guests that come together only once', async () => {
  const path = join(folder, 'soon.json');
  const { file } = openBook(path);
  const written = new Promise<void>((resolve) => {
    const watcher = watch(folder, (_event, name) => {
      if (name !== 'soon.json') return;
      watcher.close();
      resolve();
    });
  });
  for (let count = 0; count < 20; count++) file.book.connect({ uuid: OTHER.replace(/^../, String(10 + count)) });
  await written;
  expect((JSON.parse(readFileSync(path, 'utf8')) as { clients: unknown[] }).clients).toHaveLength(20);
  await file.close();
});

it('writes nothing when nothing is new', async () => {
  const path = join(folder, 'untouched.json');
  const { file } = openBook(path);
  file.book.lease(Uint8Array.of(2, 0, 0, 0, 0, 1));
  await file.close();
  expect(readdirSync(folder)).not.toContain('untouched.json');
});

it.each<[string, (path: string) => void, RegExp]>([
  [
    'cut short',
    (path) => writeFileSync(path, '{"version":1,"nextNumber":3,"cli'),
    /cannot use all of .*: it is not an address book/,
  ],
  ['empty', (path) => writeFileSync(path, ''), /it is not an address book/],
  ['of a later version', (path) => writeFileSync(path, '{"version":2}'), /it is not an address book/],
  ['binary', (path) => writeFileSync(path, Buffer.alloc(4096, 0xa5)), /it is not an address book/],
  ['a folder', (path) => mkdirSync(path), /cannot read .*: it is no regular file/],
  ['a FIFO', (path) => spawnSync('mkfifo', [path]), /cannot read .*: it is no regular file/],
  ['huge', (path) => writeFileSync(path, Buffer.alloc(5 * 1024 * 1024)), /cannot read .*: it is longer than/],
  [
    'half usable',
    (path) => writeFileSync(path, '{"version":1,"nextNumber":1,"clients":[7]}'),
    /1 of its 1 guests can't be used/,
  ],
])('works with a file that is %s, and says so', async (what, make, complaint) => {
  const path = join(folder, `${what.replaceAll(' ', '-')}.json`);
  make(path);
  const { file, lines } = openBook(path);
  expect(lines).toEqual([expect.stringMatching(complaint)]);
  expect(file.book.connect({ uuid: UUID })).toMatchObject({ admitted: true, ip: plan.lowest });
  await file.close();
});

it('works where it cannot write, and says so', async () => {
  const inner = join(folder, 'gone');
  const { file, lines } = openBook(join(inner, 'book.json'));
  expect(file.book.connect({ uuid: UUID })).toMatchObject({ admitted: true });
  await file.close();
  expect(lines).toEqual([expect.stringMatching(/cannot write .*book\.json: ENOENT; the next change tries again/)]);
});

it('has the old book or the new one when its process is killed in the middle of writing', async () => {
  const program = join(folder, 'writer.cjs');
  buildSync({
    entryPoints: [join(__dirname, 'fixtures/killed-writer.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  chmodSync(program, 0o700);
  const path = join(folder, 'killed.json');
  const first = openBook(path);
  first.file.book.connect({ uuid: OTHER });
  await first.file.close();
  const old = readFileSync(path, 'utf8');

  for (const moment of ['opened', 'half', 'written', 'synced', 'renamed']) {
    const { signal } = spawnSync(process.execPath, [program, path, UUID, moment]);
    expect([moment, signal]).toEqual([moment, 'SIGKILL']);
    const { file, lines } = openBook(path);
    expect([moment, lines]).toEqual([moment, []]);
    if (moment !== 'renamed') expect(readFileSync(path, 'utf8')).toBe(old);
    else expect(file.book.connect({ uuid: UUID })).toMatchObject({ ip: plan.lowest + 1 });
    expect(file.book.connect({ uuid: OTHER })).toMatchObject({ ip: plan.lowest });
    await file.close();
  }
});
