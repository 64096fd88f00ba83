import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

/**
 * A log that never takes more than twice `maxBytes`: when it is full it becomes `FILE.1`, in place of the one before,
 * and starts again.
 */
export class BoundedLog {
  readonly #file: string;
  readonly #maxBytes: number;
  #fd: number;
  #size: number;

  /** Opens the file for appending; with `fresh` what it held moves to `FILE.1` first. Errors of the file system pass through. */
  constructor(file: string, options: { readonly maxBytes: number; readonly fresh?: boolean }) {
    this.#file = file;
    this.#maxBytes = options.maxBytes;
    this.#fd = openSync(file, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
    if (options.fresh && this.#size > 0) this.#rotate();
  }

  /** Appends. Never throws: a full disk must not stop a guest. */
  write(bytes: Uint8Array | string): void {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    try {
      if (this.#size > 0 && this.#size + buffer.length > this.#maxBytes) this.#rotate();
      const part = buffer.subarray(Math.max(0, buffer.length - this.#maxBytes));
      this.#size += writeSync(this.#fd, part);
    } catch {
      // Lost output is the lesser evil.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    renameSync(this.#file, `${this.#file}.1`);
    const full = this.#fd;
    this.#fd = openSync(this.#file, 'a', 0o600);
    closeSync(full);
    this.#size = 0;
  }
}
