import { constants } from 'node:fs';
import { access, chmod, copyFile, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sweepTemporaries, syncFolder, temporaryPath } from '../../engine/storage/atomic-file';
import { DriverError } from '../errors';
import { guardStore } from './store-error';

/**
 * Copies an ISO so that `target` is never half a file: beside it first, then rename. File systems that can share the
 * blocks do (btrfs, XFS, APFS); the others copy inside the kernel. Throws HK_ISO_MISSING, HK_DISK_FULL or
 * HK_STORE_UNWRITABLE.
 */
export async function copyIso(source: string, target: string): Promise<void> {
  await access(source, constants.R_OK).catch((error: unknown) => {
    throw new DriverError('HK_ISO_MISSING', `cannot copy ISO ${source}: it is gone or cannot be read any more`, {
      cause: error,
    });
  });
  await guardStore(target, async () => {
    await sweepTemporaries(target);
    const temporary = temporaryPath(target);
    try {
      await copyFile(source, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      await chmod(temporary, 0o644);
      const file = await open(temporary, 'r+');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, target);
      await syncFolder(dirname(target));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
  });
}
