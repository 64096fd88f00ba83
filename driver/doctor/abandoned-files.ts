import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { DRAFT_NAME } from '../../engine/machine/machine-files';

/** Names of files that are being written: by the engine, by the driver, and by docker-machine. */
const UNFINISHED = [DRAFT_NAME, /^\..+\.\d+\.[0-9a-f]{8}\.tmp$/, /^config\.json\.tmp\d*$/];

/** Nobody writes a file for that long without touching it. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/** Unfinished files in a folder that nobody goes on with. */
export function findAbandoned(folder: string): readonly string[] {
  return listOf(folder)
    .filter((name) => UNFINISHED.some((pattern) => pattern.test(name)))
    .map((name) => path.join(folder, name))
    .filter((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return found?.isFile() === true && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS;
    });
}

/** Errors of the file system pass through. */
export function removeAbandoned(folder: string): void {
  for (const file of findAbandoned(folder)) rmSync(file, { force: true });
}

function listOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
