import { randomBytes } from 'node:crypto';
import { lstat, readdir, rename, rm, utimes } from 'node:fs/promises';
import path from 'node:path';
import { claimMachine, findClaimant, identifyOwnProcess } from '../machine/claim';
import { endChildren } from '../machine/control';
import { syncFolder } from '../storage/atomic-file';
import { findForeignTraits } from './private-folder';
import { type CheckedImage, checkImage, IMAGE_RECORD } from './warm-image';
import { WARM_KEY } from './warm-key';

/*
 * The cache of warm images, shared by every process of this user:
 *
 *   KEY/           an image (warm-image.ts). Appears whole, by a rename, and is never changed.
 *   KEY.draft/     of the process that makes that image, while it lives (machine/claim.ts), and of its virtual machine
 *   KEY.unfit      why no image of this key can be made or used, for a while (unfit-note.ts)
 *   KEY.strike-N   machines could not go on from it N times in a row (strikes.ts)
 *   RANDOM.gone/   an image that is being deleted; whoever finds one goes on with it
 *   iso-digests.json, make-warm.log
 *
 * Machines that run from an image which is removed keep the files that they have open.
 */

const DRAFT = /^([0-9a-f]{32})\.draft$/;
const GONE = /^[0-9a-f]{16}\.gone$/;
/** POSIX stat(2): st_blocks counts these. */
const STAT_BLOCK_BYTES = 512;

export function imageFolder(cache: string, key: string): string {
  return path.join(cache, key);
}

export function draftFolder(cache: string, key: string): string {
  return path.join(cache, `${key}.draft`);
}

/** An image in the cache, usable or not. */
export interface ListedImage {
  readonly key: string;
  readonly folder: string;
  /** What it takes of the disk. */
  readonly allocatedBytes: number;
  /** Undefined when its record is missing. */
  readonly usedAt: Date | undefined;
  readonly check: CheckedImage;
}

export type FoundImage =
  | { readonly found: true; readonly folder: string }
  | { readonly found: false; readonly reason: string };

/** The image of a key, checked, and from now on the one used last. A broken one is removed. Never throws. */
export async function findImage(cache: string, key: string): Promise<FoundImage> {
  const folder = imageFolder(cache, key);
  const foreign = await lstat(cache).then(
    (found) => findForeignTraits(found, 'folder'),
    () => undefined,
  );
  if (foreign !== undefined) return { found: false, reason: `${cache} can't be trusted: ${foreign}` };
  if (!(await exists(folder))) return { found: false, reason: 'there is none yet' };
  const check = await checkImage(folder);
  if (!check.usable) {
    // Another process may have removed it meanwhile.
    await removeImage(cache, key).catch(() => undefined);
    return { found: false, reason: `the warm image ${folder} could not be used and was removed: ${check.problem}` };
  }
  const now = new Date();
  await utimes(path.join(folder, IMAGE_RECORD), now, now).catch(() => undefined);
  return { found: true, folder };
}

/** Every image, the one used last first. Without a cache there are none. Other errors of the file system pass through. */
export async function listImages(cache: string): Promise<readonly ListedImage[]> {
  const images: ListedImage[] = [];
  for (const key of (await namesIn(cache)).filter((name) => WARM_KEY.test(name))) {
    const folder = imageFolder(cache, key);
    const usedAt = (await lstat(path.join(folder, IMAGE_RECORD)).catch(() => undefined))?.mtime;
    images.push({ key, folder, usedAt, allocatedBytes: await allocatedIn(folder), check: await checkImage(folder) });
  }
  return images.sort((left, right) => Number(right.usedAt ?? 0) - Number(left.usedAt ?? 0));
}

/** Moves a finished image to its name. One that is there already stays, and the finished one is left where it is. */
export async function placeImage(cache: string, key: string, finished: string): Promise<void> {
  await rename(finished, imageFolder(cache, key)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  await syncFolder(cache);
}

/** Removes an image; false when there is none. Errors of the file system pass through. */
export async function removeImage(cache: string, key: string): Promise<boolean> {
  return await removeFolder(cache, imageFolder(cache, key));
}

/**
 * Removes the images that were not used for longest until the rest takes no more than `limitBytes`. `keep` stays, unless
 * it alone is too large. Answers the keys that went.
 */
export async function pruneImages(cache: string, limitBytes: number, keep: string): Promise<readonly string[]> {
  const listed = await listImages(cache);
  const images = [...listed.filter(({ key }) => key === keep), ...listed.filter(({ key }) => key !== keep)];
  const removed: string[] = [];
  let bytes = 0;
  for (const { key, allocatedBytes } of images) {
    bytes += allocatedBytes;
    if (bytes <= limitBytes) continue;
    bytes -= allocatedBytes;
    if (await removeImage(cache, key)) removed.push(key);
  }
  return removed;
}

/** Drafts of makers that are gone, and what was being deleted. */
export async function findAbandonedFolders(cache: string): Promise<readonly string[]> {
  const abandoned: string[] = [];
  for (const name of await namesIn(cache)) {
    const folder = path.join(cache, name);
    if (GONE.test(name) || (DRAFT.test(name) && (await findClaimant(folder)) === undefined)) abandoned.push(folder);
  }
  return abandoned;
}

/** Deletes what makers that are gone have left, with what still runs of it. */
export async function sweepCache(cache: string): Promise<void> {
  const own = await identifyOwnProcess();
  for (const folder of await findAbandonedFolders(cache)) {
    try {
      if (!GONE.test(path.basename(folder))) {
        // Claimed, so that nobody begins anew in it meanwhile.
        await claimMachine(folder, own);
        await endChildren(folder);
        await removeFolder(cache, folder);
      } else await rm(folder, { recursive: true, force: true });
    } catch {
      // Somebody else has it, or deletes it, too.
    }
  }
}

/** First out of the way, in one step, then deleted; false when there is none. */
export async function removeFolder(cache: string, folder: string): Promise<boolean> {
  const aside = path.join(cache, `${randomBytes(8).toString('hex')}.gone`);
  try {
    await rename(folder, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
  return true;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function allocatedIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const found = await lstat(path.join(folder, name)).catch(() => undefined);
    bytes += (found?.blocks ?? 0) * STAT_BLOCK_BYTES;
  }
  return bytes;
}

async function exists(file: string): Promise<boolean> {
  return await lstat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}
