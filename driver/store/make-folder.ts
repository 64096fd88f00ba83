import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { DriverError } from '../errors';
import { guardStore } from '../iso/store-error';

/**
 * Makes a new machine's folder, which takes the name: of several at once one wins.
 * @throws DriverError what `taken` makes when the folder is there; HK_STORE_UNWRITABLE, HK_DISK_FULL
 */
export async function makeMachineFolder(folder: string, taken: (cause: Error) => DriverError): Promise<void> {
  await guardStore(folder, async () => {
    await mkdir(path.dirname(folder), { recursive: true, mode: 0o700 });
    await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? taken(error) : error;
    });
  });
}
