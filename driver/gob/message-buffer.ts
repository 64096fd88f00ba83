import { GobError } from './error';

/** A buffer larger than this is given back once it is empty. */
const KEEP_BYTES = 256 * 1024;
const FIRST_BYTES = 4096;

/**
 * Bytes as they arrive, cut into messages: uint length, content. Chunks are copied into one growing buffer, so that
 * the cost is linear in the bytes whatever the size of the chunks, and a chunk may be reused by its owner.
 */
export class MessageBuffer {
  /** Holds the current message from {@link start} to {@link end}. Changes with every push. */
  bytes = Buffer.allocUnsafe(FIRST_BYTES);
  start = 0;
  end = 0;
  #filled = 0;

  constructor(readonly maxMessageBytes: number) {}

  /** Bytes after the current message. */
  get pending(): number {
    return this.#filled - this.end;
  }

  push(chunk: Uint8Array): void {
    if (this.#filled + chunk.length > this.bytes.length) this.#makeRoom(chunk.length);
    this.bytes.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  /** Drops the current message and moves on to the next; false if that has not arrived in full. */
  advance(): boolean {
    this.start = this.end;
    if (this.end === this.#filled) {
      this.start = this.end = this.#filled = 0;
      if (this.bytes.length > KEEP_BYTES) this.bytes = Buffer.allocUnsafe(FIRST_BYTES);
      return false;
    }
    const { bytes, end: at } = this;
    let size = bytes[at]!;
    let header = 1;
    if (size >= 0x80) {
      header += 256 - size;
      if (header > 9) throw new GobError('GOB_MALFORMED', 'encoded unsigned integer out of range');
      if (at + header > this.#filled) return false;
      size = 0;
      for (let index = 1; index < header; index++) size = size * 256 + bytes[at + index]!;
    }
    if (size > this.maxMessageBytes) {
      throw new GobError('GOB_LIMIT', `message of ${size} bytes, more than the limit of ${this.maxMessageBytes}`);
    }
    if (at + header + size > this.#filled) return false;
    this.start = at + header;
    this.end = this.start + size;
    return true;
  }

  /** Drops everything. */
  clear(): void {
    this.bytes = Buffer.alloc(0);
    this.start = this.end = this.#filled = 0;
  }

  // Only what follows the current message is kept: nobody reads that one between two calls of the decoder.
  #makeRoom(need: number): void {
    const live = this.#filled - this.end;
    const target =
      live + need <= this.bytes.length / 2
        ? this.bytes
        : Buffer.allocUnsafe(Math.max(this.bytes.length * 2, live + need));
    this.bytes.copy(target, 0, this.end, this.#filled);
    this.bytes = target;
    this.#filled = live;
    this.start = this.end = 0;
  }
}
