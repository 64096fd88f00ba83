import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import type { PackedFiles } from './packed-files';

/** Gives the bytes of one packed file. */
export type ReadAsset = (file: string) => Uint8Array;

/**
 * Makes sure that a folder has all the packed files, and belongs to nobody else. The folder appears by one rename, whole
 * and on disk, so that several processes may come at once, and a crash leaves nothing that counts.
 * @throws Error when it cannot be written, is somebody else's, or the executable is damaged.
 */
export function unpackOnce(folder: string, { files }: Pick<PackedFiles, 'files'>, readAsset: ReadAsset): void {
  if (checkFolder(folder)) return;
  mkdirSync(path.dirname(folder), { recursive: true, mode: 0o700 });
  const draft = mkdtempSync(`${folder}.`);
  try {
    for (const file of files) {
      const bytes = readAsset(file.path);
      if (createHash('sha256').update(bytes).digest('hex') !== file.sha256) {
        throw new Error(`this executable is damaged (${file.path}); get it again`);
      }
      const target = path.join(draft, file.path);
      mkdirSync(path.dirname(target), { recursive: true });
      writeWhole(target, bytes, file.mode);
    }
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Whoever came first has made it.
    if (!checkFolder(folder)) throw error;
  }
}

/**
 * Whether a folder of programs is there.
 * @throws Error when another user could have put something into it.
 */
export function checkFolder(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return true;
  throw new Error(
    `${folder} is not a folder of this user alone, so what is in it is not run; remove it, or set XDG_CACHE_HOME to a folder of yours`,
  );
}

function writeWhole(file: string, bytes: Uint8Array, mode: number): void {
  const descriptor = openSync(file, 'wx', mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
