import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { copyDisk } from '../../../../engine/storage/copy-disk';
import { mountSmallDisk, whyNoMounts } from '../../../support/host';
import { temporaryFolder } from '../../../support/temporary-folder';

const MIB = 1024 * 1024;

/** A disk of 256 MiB with data in two places. */
function disk(dataMiB = 1): string {
  const file = path.join(temporaryFolder(), 'disk');
  writeFileSync(file, Buffer.alloc(dataMiB * MIB, 'data'), { mode: 0o644 });
  truncateSync(file, 256 * MIB);
  const fd = openSync(file, 'r+');
  writeSync(fd, 'far out', 200 * MIB);
  closeSync(fd);
  return file;
}

test('a copy has the same bytes and holes, and is only the owner’s', async () => {
  const source = disk();
  const target = path.join(temporaryFolder(), 'copy');
  await copyDisk(source, target);
  expect(statSync(target).size).toBe(256 * MIB);
  expect(statSync(target).mode & 0o777).toBe(0o600);
  expect(statSync(target).blocks * 512).toBeLessThan(8 * MIB);
  expect(readFileSync(target).equals(readFileSync(source))).toBe(true);
});

test('a source that is not there is told, and nothing is left', async () => {
  const target = path.join(temporaryFolder(), 'copy');
  await expect(copyDisk('/nowhere/disk', target)).rejects.toMatchObject({
    code: 'HK_DISK_FAILED',
    message: expect.stringMatching(/^cannot copy disk \/nowhere\/disk to .*: .*No such file/) as string,
  });
  expect(existsSync(target)).toBe(false);
});

test('an abort ends it', async () => {
  const abort = new AbortController();
  const target = path.join(temporaryFolder(), 'copy');
  const copying = copyDisk(disk(64), target, abort.signal);
  abort.abort(new Error('enough'));
  await expect(copying).rejects.toThrow('enough');
  expect(existsSync(target)).toBe(false);
});

test('a disk that becomes full on the way is told, and nothing is left', async () => {
  const reason = whyNoMounts();
  if (reason !== undefined) {
    process.stderr.write(`SKIPPED a copy to a full disk: ${reason}\n`);
    return;
  }
  const small = mountSmallDisk(4);
  try {
    const target = path.join(small.path, 'copy');
    await expect(copyDisk(disk(16), target)).rejects.toMatchObject({
      code: 'HK_DISK_FAILED',
      message: expect.stringMatching(/No space left on device/) as string,
    });
    expect(existsSync(target)).toBe(false);
  } finally {
    small.unmount();
  }
});
