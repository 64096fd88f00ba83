import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBlankDisk, createDataDisk, growDataDisk } from '../../../../engine/storage/data-disk';
import { writeHandshake } from '../../../../engine/storage/handshake';
import { temporaryFolder } from '../../../support/temporary-folder';

// A copy whose functions can be replaced: a full disk cannot be had otherwise.
jest.mock('node:fs/promises', () => ({ ...jest.requireActual('node:fs/promises') }));
const fsPromises = jest.requireMock<typeof import('node:fs/promises')>('node:fs/promises');

const folder = temporaryFolder();
const GIB = 1024 ** 3;

/** Of the length of an RSA-2048 line without comment. */
const LINE = `ssh-rsa AAAA${'k'.repeat(368)}`;

const readStart = (path: string, length: number): Buffer => {
  const buffer = Buffer.alloc(length);
  readSync(openSync(path, 'r'), buffer, 0, length, 0);
  return buffer;
};

/** What a tar that knows nothing but the format finds: names, modes and contents, up to the first zero block or the end. */
function readTar(archive: Buffer): { name: string; type: string; mode: number; content: string }[] {
  const found = [];
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const header = archive.subarray(at, at + 512);
    const text = (from: number, to: number) => header.toString('latin1', from, to).replace(/\0.*$/s, '');
    const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
    expect(Number.parseInt(text(148, 156), 8)).toBe(sum);
    const size = Number.parseInt(text(124, 136), 8);
    const content = archive.toString('latin1', at + 512, at + 512 + size);
    expect(content).toHaveLength(size);
    found.push({ name: text(0, 100), type: text(156, 157), mode: Number.parseInt(text(100, 108), 8), content });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

describe('the hand-shake', () => {
  it('lies where boot2docker looks for it', () => {
    const archive = writeHandshake(LINE);
    expect(archive).toHaveLength(4608);
    expect(archive.toString('latin1', 0, 30)).toBe('boot2docker, please format-me\0');
    expect(archive.toString('latin1', 512, 541)).toBe('boot2docker, please format-me');
    expect(archive.toString('latin1', 1024, 1029)).toBe('.ssh\0');
    expect(archive.toString('latin1', 1536, 1557)).toBe('.ssh/authorized_keys\0');
    expect(archive.toString('latin1', 2048, 2048 + 381)).toBe(`${LINE}\n`);
    expect(archive.toString('latin1', 2560, 2582)).toBe('.ssh/authorized_keys2\0');
    expect(archive.toString('latin1', 3072, 3072 + 381)).toBe(`${LINE}\n`);
    expect(archive.subarray(3584)).toEqual(Buffer.alloc(1024));
    // Golden: changes only with the layout.
    expect(createHash('sha256').update(archive).digest('hex')).toBe(
      '1034219b949a0f4553093c1d0be19e096ffda2e1aaed3806384e5aa341d56f5a',
    );
  });

  it.each([
    ['RSA-2048', 381, 2],
    ['one block', 512, 2],
    ['RSA-4096', 725, 1],
    ['the longest', 1536, 1],
  ])('keeps all of a key of %s (%i bytes) in the 4096 bytes that the guest keeps', (_, length, copies) => {
    const line = 'k'.repeat(length - 1);
    const files = readTar(writeHandshake(line).subarray(0, 4096));
    expect(files).toEqual(
      [
        { name: 'boot2docker, please format-me', type: '0', mode: 0, content: 'boot2docker, please format-me' },
        { name: '.ssh', type: '5', mode: 0o700, content: '' },
        { name: '.ssh/authorized_keys', type: '0', mode: 0o644, content: `${line}\n` },
        { name: '.ssh/authorized_keys2', type: '0', mode: 0o644, content: `${line}\n` },
      ].slice(0, 2 + copies),
    );
    const last = writeHandshake(line).subarray(3584, 4096);
    expect(last).toEqual(Buffer.alloc(512));
  });

  it.each(['', ' \n', 'two\nlines', 'k'.repeat(1536)])('refuses the key %#', (line) => {
    expect(() => writeHandshake(line)).toThrow(expect.objectContaining({ code: 'HK_DISK_FAILED' }));
  });

  const hasTar = spawnSync('tar', ['--version'], { encoding: 'utf8' }).stdout?.includes('GNU tar') ?? false;
  if (!hasTar) console.log('Skipped: unpacking with GNU tar, because it is not installed');
  (hasTar ? it : it.skip).each([380, 724])('is unpacked by GNU tar from the 4096 bytes, with a key of %i', (length) => {
    const target = join(folder, `unpacked-${length}`);
    mkdirSync(target);
    const line = 'k'.repeat(length);
    const tar = spawnSync('tar', ['-x', '-f', '-', '-C', target], { input: writeHandshake(line).subarray(0, 4096) });
    expect(tar.status).toBe(0);
    expect(readFileSync(join(target, '.ssh/authorized_keys'), 'latin1')).toBe(`${line}\n`);
    expect(statSync(join(target, '.ssh')).mode & 0o777).toBe(0o700);
  });

  const hasBusybox = spawnSync('busybox', ['tar', '--help']).status === 0;
  if (!hasBusybox) console.log("Skipped: unpacking with busybox's tar, because it is not installed");
  (hasBusybox ? it : it.skip)('is listed by busybox from the 4096 bytes', () => {
    const listed = execFileSync('busybox', ['tar', 't'], {
      input: writeHandshake(LINE).subarray(0, 4096),
      encoding: 'utf8',
    });
    expect(listed).toContain('.ssh/authorized_keys2');
  });
});

describe('createDataDisk', () => {
  it('makes a sparse file with the hand-shake in front', async () => {
    const path = join(folder, 'new.rawdisk');
    expect(await createDataDisk(path, 20 * GIB, LINE)).toBe(true);
    const { size, blocks, mode } = statSync(path);
    expect(size).toBe(20 * GIB);
    expect(blocks * 512).toBeLessThan(1_000_000);
    expect(mode & 0o777).toBe(0o600);
    expect(readStart(path, 8192)).toEqual(Buffer.concat([writeHandshake(LINE), Buffer.alloc(8192 - 4608)]));
  });

  it('never touches a disk that is there', async () => {
    const path = join(folder, 'old.rawdisk');
    writeFileSync(path, 'precious');
    expect(await createDataDisk(path, GIB, LINE)).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('lets one of many at the same time win', async () => {
    const path = join(folder, 'raced.rawdisk');
    const results = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => await createDataDisk(path, GIB, `key ${index}`)),
    );
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(readdirSync(folder).filter((name) => name.includes('raced'))).toEqual(['raced.rawdisk']);
  });

  it.each([0, -1, 4607.5 - 512, Number.NaN, Number.POSITIVE_INFINITY])('refuses a size of %d', async (size) => {
    await expect(createDataDisk(join(folder, 'size.rawdisk'), size, LINE)).rejects.toMatchObject({
      code: 'HK_DISK_FAILED',
    });
  });

  it('counts in whole sectors', async () => {
    const path = join(folder, 'sectors.rawdisk');
    await createDataDisk(path, 1_000_000, LINE);
    expect(statSync(path).size).toBe(1_000_448);
  });

  it('says when there is no room, and leaves nothing', async () => {
    const path = join(folder, 'full', 'x.rawdisk');
    mkdirSync(join(folder, 'full'));
    const statfs = jest
      .spyOn(fsPromises, 'statfs')
      .mockResolvedValue({ bavail: 10, bsize: 1_000_000, blocks: 1000 } as never);
    await expect(createDataDisk(path, GIB, LINE)).rejects.toMatchObject({
      code: 'HK_DISK_FAILED',
      message: `cannot create disk ${path}: only 10 MB are free there and a machine needs 200 MB to start; free some space and try again`,
    });
    statfs.mockRestore();
    const realOpen = fsPromises.open;
    const open = jest.spyOn(fsPromises, 'open').mockImplementation(async (...parameters) => {
      const file = await realOpen(...parameters);
      if (parameters[1] === 'wx')
        file.truncate = async () => await Promise.reject(Object.assign(new Error(), { code: 'ENOSPC' }));
      return file;
    });
    await expect(createDataDisk(path, GIB, LINE)).rejects.toMatchObject({
      message: `cannot create disk ${path}: the disk is full; free some space and try again`,
    });
    open.mockRestore();
    expect(readdirSync(join(folder, 'full'))).toEqual([]);
  });

  it('names the reason when the folder is missing or something else has the name', async () => {
    await expect(createDataDisk(join(folder, 'none', 'x'), GIB, LINE)).rejects.toMatchObject({
      code: 'HK_DISK_FAILED',
      message: expect.stringContaining('the folder does not exist'),
    });
    await expect(createDataDisk(folder, GIB, LINE)).rejects.toMatchObject({
      message: expect.stringContaining('something else'),
    });
  });
});

it('makes a blank disk of nothing but zeros', async () => {
  const path = join(folder, 'blank.rawdisk');
  expect(await createBlankDisk(path, GIB)).toBe(true);
  expect(statSync(path)).toMatchObject({ size: GIB, blocks: 0 });
});

describe('growDataDisk', () => {
  it('grows, never shrinks, and keeps what is there', async () => {
    const path = join(folder, 'grown.rawdisk');
    await createDataDisk(path, GIB, LINE);
    expect(await growDataDisk(path, 2 * GIB)).toBe(true);
    expect(await growDataDisk(path, 2 * GIB)).toBe(false);
    expect(await growDataDisk(path, GIB)).toBe(false);
    expect(statSync(path).size).toBe(2 * GIB);
    expect(readStart(path, 4608)).toEqual(writeHandshake(LINE));
  });

  it('says when there is no disk', async () => {
    await expect(growDataDisk(join(folder, 'absent'), GIB)).rejects.toMatchObject({
      code: 'HK_DISK_FAILED',
      message: `cannot grow disk ${join(folder, 'absent')}: there is no such file`,
    });
  });
});
