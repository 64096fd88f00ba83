import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EngineError } from '../../errors';

/** A file that becomes part of a guest's memory: read piece by piece, straight to where it belongs. */
export class BootFile {
  readonly #fd: number;
  readonly sizeBytes: number;

  /**
   * @param what names it in errors, e.g. `kernel`.
   * @throws EngineError HK_BOOT_FAILED
   */
  constructor(
    readonly path: string,
    readonly what: string,
  ) {
    let fd: number | undefined;
    try {
      fd = openSync(path, 'r');
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw this.fault('it is not a file', 'name the right one');
      this.#fd = fd;
      this.sizeBytes = stat.size;
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      if (error instanceof EngineError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      const mend = code === 'ENOENT' ? 'check its path' : 'make it readable for this user';
      throw this.fault(code === 'ENOENT' ? 'there is no such file' : message, mend, error);
    }
  }

  /** Fills `target` from byte `offset` on. @throws EngineError HK_BOOT_FAILED when the file ends before. */
  readInto(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.length; ) {
      const count = this.#read(target, done, offset + done);
      if (count === 0) throw this.fault(`it ends after ${offset + done} bytes`, 'fetch or build it again');
      done += count;
    }
  }

  #read(target: Uint8Array, done: number, position: number): number {
    try {
      return readSync(this.#fd, target, done, Math.min(target.length - done, 0x4000_0000), position);
    } catch (error) {
      throw this.fault((error as Error).message, 'check the disk that it is on', error);
    }
  }

  /** Its first `length` bytes, or as many as there are. */
  readHead(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, this.sizeBytes));
    this.readInto(bytes, 0);
    return bytes;
  }

  /** What is thrown about this file. */
  fault(why: string, mend: string, cause?: unknown): EngineError {
    return new EngineError('HK_BOOT_FAILED', `cannot boot the ${this.what} ${this.path}: ${why}; ${mend}`, { cause });
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Opens a file, and closes it when `use` is done. */
export function withBootFile<T>(path: string, what: string, use: (file: BootFile) => T): T {
  const file = new BootFile(path, what);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
