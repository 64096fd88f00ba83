import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { verifyIso } from '../../engine/boot/verify-iso';
import { versionOfVolume } from '../../engine/boot/volume-version';
import { replaceFile } from '../../engine/storage/atomic-file';
import { copyIso } from './copy-iso';
import { withFileLock } from './file-lock';
import { guardStore } from './store-error';

/** The ISO that new machines get, shared with docker-machine's other drivers. */
export function cachedIsoPath(storePath: string): string {
  return join(storePath, 'cache', 'boot2docker.iso');
}

export type IsoFinding =
  | { readonly state: 'good'; readonly version: string | undefined }
  | { readonly state: 'absent' }
  | { readonly state: 'bad'; readonly reason: string };

/** Whether a file is an ISO that can be booted. */
export async function inspectIso(path: string): Promise<IsoFinding> {
  const isThere = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
  if (!isThere) return { state: 'absent' };
  try {
    const { volumeId } = await verifyIso(path);
    return { state: 'good', version: versionOfVolume(volumeId) };
  } catch (error) {
    return { state: 'bad', reason: (error as Error).message };
  }
}

/** Holds the cache while it is looked at and filled; other creates wait, see file-lock.ts. */
export async function withCacheLock<T>(storePath: string, work: () => Promise<T>): Promise<T> {
  const folder = dirname(cachedIsoPath(storePath));
  await guardStore(folder, async () => await mkdir(folder, { recursive: true, mode: 0o700 }));
  return await withFileLock(join(folder, '.boot2docker.iso.lock'), work);
}

/** Copies an ISO into the cache and notes where it came from. */
export async function fillCache(storePath: string, source: string): Promise<void> {
  const target = cachedIsoPath(storePath);
  // Looked at before the copy: a source that changes meanwhile then counts as changed.
  const origin = await stampOf(source);
  await copyIso(source, target);
  const copy = await stampOf(target);
  await guardStore(originPath(storePath), async () => {
    await replaceFile(
      originPath(storePath),
      0o600,
      async (file) => await file.writeFile(JSON.stringify({ origin, copy })),
    );
  });
}

/**
 * True when the cached ISO is a copy that we made of one of our own ISOs, and `source` is not what it was copied from:
 * our ISO was built anew. Any other ISO in the cache was put there by the user or another driver and is none of ours.
 */
export async function isOutdatedCopy(storePath: string, source: string): Promise<boolean> {
  try {
    const { origin, copy } = JSON.parse(await readFile(originPath(storePath), 'utf8')) as {
      origin?: FileStamp;
      copy?: FileStamp;
    };
    const isOurs = isSameStamp(copy, await stampOf(cachedIsoPath(storePath)));
    return isOurs && !isSameStamp(origin, await stampOf(source));
  } catch {
    return false;
  }
}

interface FileStamp {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

function originPath(storePath: string): string {
  return `${cachedIsoPath(storePath)}.origin.json`;
}

async function stampOf(path: string): Promise<FileStamp> {
  const { size, mtimeMs } = await stat(path);
  return { path: resolve(path), sizeBytes: size, modifiedMs: mtimeMs };
}

/** The copy's own path is left out of it: stores get moved. */
function isSameStamp(left: FileStamp | undefined, right: FileStamp): boolean {
  return left?.sizeBytes === right.sizeBytes && left.modifiedMs === right.modifiedMs;
}
