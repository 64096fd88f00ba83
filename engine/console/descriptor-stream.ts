import { closeSync, readSync, writeSync } from 'node:fs';
import { Duplex } from 'node:stream';
import type { DescriptorPoll, pollDescriptor } from '../../native/pty';

const CHUNK_BYTES = 4096;

/** A stream over a non-blocking descriptor of a terminal, which is closed with it. */
export class DescriptorStream extends Duplex {
  readonly #fd: number;
  readonly #poll: DescriptorPoll;
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);
  #reading = false;
  #waiting: { rest: Uint8Array; readonly done: (error?: Error) => void } | undefined;

  constructor(fd: number, poll: typeof pollDescriptor) {
    super({ allowHalfOpen: false });
    this.#fd = fd;
    this.#poll = poll(fd, () => {
      this.#takeInput();
      this.#giveOutput();
      this.#wait();
    });
  }

  override _read(): void {
    this.#reading = true;
    this.#wait();
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#waiting = { rest: bytes, done };
    this.#giveOutput();
    this.#wait();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#poll.close();
    closeSync(this.#fd);
    done(error);
  }

  #wait(): void {
    if (!this.destroyed) this.#poll.want({ readable: this.#reading, writable: this.#waiting !== undefined });
  }

  #takeInput(): void {
    try {
      while (this.#reading && !this.destroyed) {
        const length = readSync(this.#fd, this.#chunk);
        if (length === 0) {
          this.#reading = false;
          this.push(null);
        } else this.#reading = this.push(Buffer.from(this.#chunk.subarray(0, length)));
      }
    } catch (error) {
      this.#stumble(error);
    }
  }

  #giveOutput(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || this.destroyed) return;
    try {
      while (waiting.rest.length > 0) waiting.rest = waiting.rest.subarray(writeSync(this.#fd, waiting.rest));
      this.#waiting = undefined;
      waiting.done();
    } catch (error) {
      this.#stumble(error);
    }
  }

  #stumble(error: unknown): void {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.destroy(error as Error);
  }
}
