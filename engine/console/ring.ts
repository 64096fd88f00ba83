import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** Size of HyperKit's console ring file. */
export const RING_SIZE = 65_536;

/**
 * HyperKit's console ring: a file of exactly 65536 bytes, zero at first, in which byte number n of the output lies at
 * offset n mod 65536. No header and no saved position; whoever reads it looks for the zeroes or takes it as it is.
 */
export class ConsoleRing {
  readonly #fd: number;
  #position = 0;

  /** Creates or empties the file. Errors of the file system pass through. */
  constructor(file: string) {
    this.#fd = openSync(file, 'w', 0o600);
    ftruncateSync(this.#fd, RING_SIZE);
  }

  /** Appends. Never throws: a full disk must not stop a guest. */
  write(bytes: Uint8Array): void {
    // Of a chunk longer than the ring only the last RING_SIZE bytes remain to be seen.
    const skipped = Math.max(0, bytes.length - RING_SIZE);
    this.#position = (this.#position + skipped) % RING_SIZE;
    let rest = bytes.subarray(skipped);
    try {
      while (rest.length > 0) {
        const part = rest.subarray(0, RING_SIZE - this.#position);
        writeSync(this.#fd, part, 0, part.length, this.#position);
        this.#position = (this.#position + part.length) % RING_SIZE;
        rest = rest.subarray(part.length);
      }
    } catch {
      this.#position = (this.#position + rest.length) % RING_SIZE;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
