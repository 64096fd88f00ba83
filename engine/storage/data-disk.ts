import { open, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EngineError } from '../errors';
import { createFile } from './atomic-file';
import { writeFormatRequest, writeHandshake } from './handshake';
import { describeWriteFailure } from './write-failure';

/** The file is sparse, so its size need not be free; but with less than this not even the first boot gets through. */
const MIN_FREE_BYTES = 200_000_000;

/** Disks are counted in sectors: the hypervisors refuse a raw image with half a sector at its end. */
const SECTOR_BYTES = 512;

/** Only the owner: containers' data and secrets are in there. */
const DISK_MODE = 0o600;

/**
 * Makes the machine's data disk: a sparse raw image that starts with the boot2docker hand-shake. A disk that is already
 * there stays untouched, and the answer is false. Throws HK_DISK_FAILED.
 *
 * @param sizeBytes rounded up to whole sectors. A boot2docker guest takes 1000 MB of it for swap.
 */
export async function createDataDisk(path: string, sizeBytes: number, publicKeyLine: string): Promise<boolean> {
  return await createDisk(path, sizeBytes, writeHandshake(publicKeyLine));
}

/** The same for a guest that is nobody's yet: it formats the disk, and finds no key there. */
export async function createTemplateDisk(path: string, sizeBytes: number): Promise<boolean> {
  return await createDisk(path, sizeBytes, writeFormatRequest());
}

/** The same without a hand-shake: an empty disk, left for the guest's user to format. */
export async function createBlankDisk(path: string, sizeBytes: number): Promise<boolean> {
  return await createDisk(path, sizeBytes, new Uint8Array());
}

/**
 * Makes the disk larger, never smaller; answers whether it did. The guest's partition table stays as it is: our guest
 * grows its partition when it boots, upstream's boot2docker does not. The machine must not be running. Throws HK_DISK_FAILED.
 */
export async function growDataDisk(path: string, sizeBytes: number): Promise<boolean> {
  const length = wholeSectors(path, 'grow', sizeBytes, 0);
  const found = await findFile(path, 'grow');
  if (found === undefined) throw failed('grow', path, 'there is no such file');
  if (found.size >= length) return false;
  try {
    const file = await open(path, 'r+');
    try {
      await file.truncate(length);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw failed('grow', path, describeWriteFailure(error), error);
  }
  return true;
}

/** For a disk that is about to be made there, by whatever way. @throws EngineError HK_DISK_FAILED when a machine could not even start */
export async function requireFreeSpace(path: string): Promise<void> {
  // A file system that does not tell is tried.
  const space = await statfs(dirname(path)).catch(() => undefined);
  if (space === undefined || space.blocks === 0) return;
  const freeBytes = space.bavail * space.bsize;
  if (freeBytes >= MIN_FREE_BYTES) return;
  const megabytes = Math.floor(freeBytes / 1e6);
  throw failed(
    'create',
    path,
    `only ${megabytes} MB are free there and a machine needs ${MIN_FREE_BYTES / 1e6} MB to start; free some space and try again`,
  );
}

async function createDisk(path: string, sizeBytes: number, start: Uint8Array): Promise<boolean> {
  const length = wholeSectors(path, 'create', sizeBytes, start.length);
  if (await findFile(path, 'create')) return false;
  await requireFreeSpace(path);
  try {
    return await createFile(path, DISK_MODE, async (file) => {
      await file.writeFile(start);
      await file.truncate(length);
    });
  } catch (error) {
    throw failed('create', path, describeWriteFailure(error), error);
  }
}

function wholeSectors(path: string, verb: string, sizeBytes: number, minBytes: number): number {
  const length = Math.ceil(sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
  if (!Number.isSafeInteger(length) || length < minBytes || length <= 0) {
    throw failed(verb, path, `${sizeBytes} bytes is no size for a data disk`);
  }
  return length;
}

async function findFile(path: string, verb: string): Promise<{ readonly size: number } | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw failed(verb, path, 'something else has that name');
    return found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error instanceof EngineError ? error : failed(verb, path, describeWriteFailure(error), error);
  }
}

function failed(verb: string, path: string, reason: string, cause?: unknown): EngineError {
  return new EngineError('HK_DISK_FAILED', `cannot ${verb} disk ${path}: ${reason}`, { cause });
}
