import type { Writable } from 'node:stream';

const DEFAULT_MAX_BYTES = 64 * 1024;

/**
 * Output to somebody who may not be reading: a write never waits and never throws. One chunk at a time is in the
 * stream's hands; of what waits behind it only the newest bytes are kept.
 */
export class BoundedOutput {
  readonly #stream: Writable;
  readonly #maxBytes: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing = false;
  #broken = false;
  #drained: (() => void)[] = [];

  constructor(stream: Writable, maxBytes = DEFAULT_MAX_BYTES) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    stream.on('error', () => this.#break());
    stream.on('close', () => this.#break());
  }

  write(output: Uint8Array | string): void {
    if (this.#broken || output.length === 0) return;
    // Whoever called may use the bytes again.
    const bytes = Buffer.from(output);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#forgetOldest();
    this.#next();
  }

  /** Waits until everything is written, but no longer than that. */
  async drained(deadlineMs: number): Promise<void> {
    if (!this.#writing) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#drained.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #next(): void {
    if (this.#writing || this.#broken) return;
    if (this.#waiting.length === 0) {
      this.#tellDrained();
      return;
    }
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#writing = true;
    this.#stream.write(bytes, () => {
      this.#writing = false;
      this.#next();
    });
  }

  #forgetOldest(): void {
    while (this.#waitingBytes > this.#maxBytes) {
      const oldest = this.#waiting[0];
      if (oldest === undefined) return;
      const excess = this.#waitingBytes - this.#maxBytes;
      const dropped = Math.min(excess, oldest.length);
      if (dropped === oldest.length) this.#waiting.shift();
      else this.#waiting[0] = oldest.subarray(dropped);
      this.#waitingBytes -= dropped;
    }
  }

  #break(): void {
    this.#broken = true;
    this.#writing = false;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#tellDrained();
  }

  #tellDrained(): void {
    const listeners = this.#drained;
    this.#drained = [];
    for (const listener of listeners) listener();
  }
}
