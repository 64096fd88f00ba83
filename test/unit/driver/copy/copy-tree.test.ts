import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type CopyOptions, copyTree, type Place } from '../../../../driver/copy/copy-tree';
import type { FileSide } from '../../../../driver/copy/file-side';
import { localFiles } from '../../../../driver/copy/local-files';
import { openSftpFiles } from '../../../../driver/copy/sftp-files';
import { openSshConnection } from '../../../../driver/ssh/open-connection';
import type { SshConnection } from '../../../../driver/ssh/ssh-connection';
import { startSshServer, type TestSshServer } from '../../../support/ssh-server';
import { temporaryFolder } from '../../../support/temporary-folder';

// A machine's files are served over a real SSH connection, from a folder of this computer.
let server: TestSshServer;
let connection: SshConnection;
let guest: FileSide;
let home: string;
let here: string;

beforeAll(async () => {
  home = temporaryFolder();
  server = await startSshServer({ folder: home });
  connection = await openSshConnection(server.target, { deadlineMs: 60_000 });
  guest = await openSftpFiles('dev', connection);
});
beforeEach(() => {
  here = temporaryFolder();
  for (const name of fs.readdirSync(home)) {
    if (name !== 'id_rsa') fs.rmSync(path.join(home, name), { recursive: true });
  }
});
afterAll(async () => {
  connection.close();
  await server.close();
});

const skipped: string[] = [];
async function copy(from: Place, to: Place, options: Partial<CopyOptions> = {}): Promise<number> {
  skipped.length = 0;
  return await copyTree(from, to, {
    recursive: false,
    preserve: false,
    signal: new AbortController().signal,
    onProgress: {
      begin: () => undefined,
      add: () => undefined,
      end: () => undefined,
      skip: (label) => void skipped.push(label),
    },
    ...options,
  });
}
const local = (...parts: string[]): Place => ({ side: localFiles, path: path.join(here, ...parts) });
const remote = (name: string): Place => ({ side: guest, path: name });
const sha256 = (file: string): string => createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const leftovers = (folder: string): string[] => fs.readdirSync(folder).filter((name) => name.endsWith('.tmp'));

describe('a file', () => {
  test.each([0, 1, 32 * 1024, 32 * 1024 + 1, 5_000_003])('of %d bytes arrives as it was, both ways', async (size) => {
    fs.writeFileSync(path.join(here, 'there'), randomBytes(size), { mode: 0o750 });
    await copy(local('there'), remote('a file'));
    await copy(remote('a file'), local('back'));
    expect(sha256(path.join(home, 'a file'))).toBe(sha256(path.join(here, 'there')));
    expect(sha256(path.join(here, 'back'))).toBe(sha256(path.join(here, 'there')));
    expect(fs.statSync(path.join(here, 'back')).mode & 0o777).toBe(0o750 & ~process.umask());
    expect([...leftovers(here), ...leftovers(home)]).toEqual([]);
  });

  test('goes into a folder that is there, and takes the place of a file that is there', async () => {
    fs.mkdirSync(path.join(home, 'folder'));
    fs.writeFileSync(path.join(home, 'old'), 'old');
    fs.writeFileSync(path.join(here, 'new'), 'new');
    await copy(local('new'), remote('folder'));
    await copy(local('new'), remote('old'));
    expect(fs.readFileSync(path.join(home, 'folder/new'), 'utf8')).toBe('new');
    expect(fs.readFileSync(path.join(home, 'old'), 'utf8')).toBe('new');
  });

  test('keeps mode and times when asked to', async () => {
    const file = path.join(here, 'kept');
    fs.writeFileSync(file, 'x');
    fs.chmodSync(file, 0o4666);
    fs.utimesSync(file, 1_000_000_000, 1_100_000_000);
    await copy(local('kept'), remote('kept'), { preserve: true });
    await copy(remote('kept'), local('again'), { preserve: true });
    for (const [copied, mode] of [
      [path.join(home, 'kept'), 0o4666],
      // Nothing from a guest runs as its owner here.
      [path.join(here, 'again'), 0o666],
    ] as const) {
      expect(fs.statSync(copied)).toMatchObject({ mtimeMs: 1_100_000_000_000 });
      expect(fs.statSync(copied).mode & 0o7777).toBe(mode);
    }
  });

  test.each([
    ['that is not there', () => copy(remote('none'), local('x')), 'there is no dev:none'],
    ['into no folder', () => copy(remote('id_rsa'), local('no/')), /there is no folder .*no\//],
    ['below a folder that is not there', () => copy(remote('id_rsa'), local('no', 'x')), 'ENOENT'],
    ['onto a device', () => copy(remote('id_rsa'), { side: localFiles, path: '/dev/null' }), 'no regular file'],
  ])('%s fails with a reason', async (_title, work, reason) => {
    const error = await work().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'HK_COPY_FAILED', message: expect.stringMatching(reason) });
    expect(leftovers(here)).toEqual([]);
  });

  test('that is given up leaves the old content and nothing else', async () => {
    for (const folder of [here, home]) fs.writeFileSync(path.join(folder, 'big'), randomBytes(3_000_000));
    for (const [from, to, folder] of [
      [local('big'), remote('target'), home],
      [remote('big'), local('target'), here],
    ] as const) {
      fs.writeFileSync(path.join(folder, 'target'), 'before');
      const abort = new AbortController();
      const reason = new Error('Ctrl-C');
      const onProgress = {
        begin: () => undefined,
        add: () => abort.abort(reason),
        end: () => undefined,
        skip: () => undefined,
      };
      await expect(copy(from, to, { signal: abort.signal, onProgress })).rejects.toBe(reason);
      expect(fs.readFileSync(path.join(folder, 'target'), 'utf8')).toBe('before');
      expect(leftovers(folder)).toEqual([]);
    }
  });
});

describe('a folder', () => {
  const plant = (root: string): void => {
    fs.mkdirSync(path.join(root, 'tree/empty'), { recursive: true });
    fs.mkdirSync(path.join(root, 'tree/sealed'));
    fs.writeFileSync(path.join(root, 'tree/one'), '1', { mode: 0o644 });
    fs.writeFileSync(path.join(root, 'tree/sealed/two'), '2', { mode: 0o600 });
    fs.symlinkSync('one', path.join(root, 'tree/link'));
    fs.chmodSync(path.join(root, 'tree/sealed'), 0o550);
  };
  const expectTree = (root: string): void => {
    expect(fs.readdirSync(root).sort()).toEqual(['empty', 'link', 'one', 'sealed']);
    expect(fs.readFileSync(path.join(root, 'link'), 'utf8')).toBe('1');
    expect(fs.readFileSync(path.join(root, 'sealed/two'), 'utf8')).toBe('2');
    expect(fs.statSync(path.join(root, 'sealed')).mode & 0o777).toBe(0o550);
    expect(fs.statSync(path.join(root, 'sealed/two')).mode & 0o777).toBe(0o600);
  };

  test('is copied whole, both ways, under a new name or into a folder', async () => {
    plant(here);
    expect(await copy(local('tree'), remote('new'), { recursive: true })).toBe(0);
    expectTree(path.join(home, 'new'));
    expect(await copy(remote('new'), local('.'), { recursive: true })).toBe(0);
    expectTree(path.join(here, 'new'));
  });

  test('is copied from one machine to another, and within one', async () => {
    plant(home);
    const other = temporaryFolder();
    const second = await startSshServer({ folder: other });
    const to = await openSshConnection(second.target, { deadlineMs: 60_000 });
    try {
      await copy(remote('tree'), { side: await openSftpFiles('two', to), path: 'copy' }, { recursive: true });
      expectTree(path.join(other, 'copy'));
      await copy(remote('tree'), remote('twice'), { recursive: true });
      expectTree(path.join(home, 'twice'));
    } finally {
      to.close();
      await second.close();
    }
  });

  test('is refused without -r, into itself, and over a file', async () => {
    plant(home);
    fs.writeFileSync(path.join(here, 'file'), '');
    await expect(copy(remote('tree'), local('x'))).rejects.toThrow('it is a folder; give -r');
    await expect(copy(remote('tree'), remote('tree/empty'), { recursive: true })).rejects.toThrow('into itself');
    await expect(copy(remote('tree'), local('file'), { recursive: true })).rejects.toThrow('is no folder');
  });

  test('leaves out what is no file, and tells', async () => {
    fs.mkdirSync(path.join(home, 'odd'));
    fs.symlinkSync('/nowhere', path.join(home, 'odd/dangling'));
    fs.symlinkSync('/dev/null', path.join(home, 'odd/device'));
    fs.writeFileSync(path.join(home, 'odd/plain'), '');
    expect(await copy(remote('odd'), local('odd'), { recursive: true })).toBe(2);
    expect(fs.readdirSync(path.join(here, 'odd'))).toEqual(['plain']);
    expect(skipped.sort()).toEqual(['dev:odd/dangling', 'dev:odd/device']);
  });

  test('whose links lead in a circle ends', async () => {
    fs.mkdirSync(path.join(home, 'circle'));
    fs.symlinkSync('.', path.join(home, 'circle/again'));
    await expect(copy(remote('circle'), local('circle'), { recursive: true })).rejects.toMatchObject({
      code: 'HK_COPY_FAILED',
    });
  });

  test.each(['../escaped', '/etc/escaped', '..', 'a\0b', ''])('with an entry named %j is refused', async (name) => {
    const hostile: FileSide = {
      ...localFiles,
      look: async () => ({ kind: 'folder', mode: 0o755, sizeBytes: 0, accessed: 0, modified: 0 }),
      list: async () => {
        const { plainName } = jest.requireActual('../../../../driver/copy/file-side');
        return [plainName(name)];
      },
    };
    await expect(copy({ side: hostile, path: 'x' }, local('x'), { recursive: true })).rejects.toThrow('which is none');
  });
});

test('a hundred megabytes pass through little memory', async () => {
  const size = 100 * 1024 * 1024;
  fs.writeFileSync(path.join(here, 'large'), '');
  fs.truncateSync(path.join(here, 'large'), size);
  await copy(local('large'), remote('warm-up'));
  const before = process.memoryUsage();
  let most = 0;
  const onProgress = {
    begin: () => undefined,
    add: () => {
      const { rss } = process.memoryUsage();
      most = Math.max(most, rss);
    },
    end: () => undefined,
    skip: () => undefined,
  };
  await copy(remote('warm-up'), local('back'), { onProgress });
  expect(fs.statSync(path.join(here, 'back')).size).toBe(size);
  // Client and server share this process, and garbage waits for its collector; the file itself would not fit.
  expect(most - before.rss).toBeLessThan(80 * 1024 * 1024);
}, 300_000);

test('a machine that is lost in the middle says so, and leaves nothing here', async () => {
  const folder = temporaryFolder();
  const fragile = await startSshServer({ folder });
  const login = await openSshConnection(fragile.target, { deadlineMs: 60_000 });
  fs.writeFileSync(path.join(folder, 'big'), randomBytes(2_000_000));
  const onProgress = {
    begin: () => undefined,
    add: () => fragile.cut(),
    end: () => undefined,
    skip: () => undefined,
  };
  const lost = copy({ side: await openSftpFiles('dev', login), path: 'big' }, local('big'), { onProgress });
  await expect(lost).rejects.toMatchObject({ code: 'HK_SSH_LOST' });
  expect(fs.readdirSync(here)).toEqual([]);
  login.close();
  await fragile.close();
});

test('a guest without an SFTP server says so', async () => {
  const bare = await startSshServer({ folder: temporaryFolder(), sftp: false });
  const login = await openSshConnection(bare.target, { deadlineMs: 60_000 });
  await expect(openSftpFiles('dev', login)).rejects.toMatchObject({ code: 'HK_SSH_COMMAND_FAILED' });
  login.close();
  await bare.close();
});
