import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { replaceSmallFile } from './machine-files';

/** More than the files' contents, in whole blocks. */
const SPARE_BYTES = 8192;

/**
 * A small file that can be replaced when the disk is full, too: a spare one has its blocks already and takes its place
 * then. That a disk is full is one of the things which the state of a machine has to say.
 */
export class KeptFile {
  readonly #file: string;
  readonly #spare: string;
  readonly #mode: number;
  #hasSpare = false;

  /** @param spare path of the spare file, in the same folder */
  constructor(file: string, spare: string, mode: number) {
    this.#file = file;
    this.#spare = spare;
    this.#mode = mode;
    this.#lay();
  }

  /** Readers see the old content or the new one. Errors of the file system pass through, but a full disk's while there is a spare. */
  replace(content: string): void {
    try {
      replaceSmallFile(this.#file, content, this.#mode);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const fits = Buffer.byteLength(content) <= SPARE_BYTES;
      if ((code !== 'ENOSPC' && code !== 'EDQUOT') || !this.#hasSpare || !fits) throw error;
      this.#takeSpare(content);
    }
    // After a spare was taken the blocks of the file that went are the next one's, if nobody is quicker.
    if (!this.#hasSpare) this.#lay();
  }

  /** The file stays, the spare one goes. */
  close(): void {
    rmSync(this.#spare, { force: true });
    this.#hasSpare = false;
  }

  #takeSpare(content: string): void {
    this.#hasSpare = false;
    const fd = openSync(this.#spare, 'r+');
    try {
      writeSync(fd, content, 0);
      ftruncateSync(fd, Buffer.byteLength(content));
    } finally {
      closeSync(fd);
    }
    renameSync(this.#spare, this.#file);
  }

  #lay(): void {
    try {
      rmSync(this.#spare, { force: true });
      writeFileSync(this.#spare, Buffer.alloc(SPARE_BYTES, ' '), { mode: this.#mode, flag: 'wx' });
      this.#hasSpare = true;
    } catch {
      rmSync(this.#spare, { force: true });
    }
  }
}
