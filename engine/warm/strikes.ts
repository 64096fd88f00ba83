import { appendFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { noteUnfit } from './unfit-note';
import { imageFolder, removeImage } from './warm-cache';
import { verifyImage } from './warm-image';

/** A busy computer can let a restore be too late now and then; what fails that often in a row does not work. */
const MAX_STRIKES = 3;
const UNFIT_MS = 24 * 60 * 60 * 1000;

/**
 * After a machine could not go on from an image: a damaged one is removed; one that fails again and again, too, and is
 * not made anew for a day. Answers why it was removed; undefined when it stays. Never throws.
 */
export async function countFailure(cache: string, key: string, reason: string): Promise<string | undefined> {
  try {
    const verified = await verifyImage(imageFolder(cache, key));
    if (!verified.usable) {
      await removeImage(cache, key);
      return verified.problem;
    }
    // One byte for each: several processes may fail at once.
    await appendFile(fileOf(cache, key), '.', { mode: 0o600 });
    if ((await stat(fileOf(cache, key))).size < MAX_STRIKES) return undefined;
    await noteUnfit(cache, key, `machines could not be made of it: ${reason}`, UNFIT_MS);
    await removeImage(cache, key);
    await countSuccess(cache, key);
    return `it failed ${MAX_STRIKES} times in a row`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A machine went on from the image. Never throws. */
export async function countSuccess(cache: string, key: string): Promise<void> {
  await rm(fileOf(cache, key), { force: true }).catch(() => undefined);
}

function fileOf(cache: string, key: string): string {
  return path.join(cache, `${key}.strikes`);
}
