import { rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { noteUnfit } from './unfit-note';
import { imageFolder, removeImage } from './warm-cache';
import { verifyImage } from './warm-image';

/** A busy computer can let a restore be too late now and then; what fails that often in a row does not work. */
const MAX_STRIKES = 3;
const UNFIT_MS = 24 * 60 * 60 * 1000;

/** A machine that could not go on from an image. */
export interface FailedRestore {
  readonly reason: string;
  /** By Date.now(). */
  readonly begunMs: number;
}

/**
 * After a machine could not go on from an image: a damaged one is removed; one that fails again and again, too, and is
 * not made anew for a day. Those that fail side by side fail once: they have the same busy moment in common. Answers why
 * it was removed; undefined when it stays. Never throws.
 */
export async function countFailure(cache: string, key: string, failed: FailedRestore): Promise<string | undefined> {
  try {
    const verified = await verifyImage(imageFolder(cache, key));
    if (!verified.usable) {
      await removeImage(cache, key);
      return verified.problem;
    }
    for (let strike = 1; strike < MAX_STRIKES; strike++) {
      const file = fileOf(cache, key, strike);
      const at = (await stat(file).catch(() => undefined))?.mtimeMs;
      if (at !== undefined && at >= failed.begunMs && at <= Date.now()) return undefined;
      if (at !== undefined) continue;
      // Who finds it made since then failed side by side with another.
      await writeFile(file, '', { flag: 'wx', mode: 0o600 });
      return undefined;
    }
    await noteUnfit(cache, key, `machines could not be made of it: ${failed.reason}`, UNFIT_MS);
    await removeImage(cache, key);
    await countSuccess(cache, key);
    return `it failed ${MAX_STRIKES} times in a row`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? undefined : (error as Error).message;
  }
}

/** A machine went on from the image. Never throws. */
export async function countSuccess(cache: string, key: string): Promise<void> {
  for (let strike = 1; strike < MAX_STRIKES; strike++) {
    await rm(fileOf(cache, key, strike), { force: true }).catch(() => undefined);
  }
}

function fileOf(cache: string, key: string, strike: number): string {
  return path.join(cache, `${key}.strike-${strike}`);
}
