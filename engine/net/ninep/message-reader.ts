import { NinePError } from './nine-p-error';
import { HEADER_BYTES } from './wire';

/** Cuts a stream of bytes into messages. Holds no more than one unfinished message. */
export class MessageReader {
  #message: Buffer = Buffer.alloc(4);
  #filled = 0;
  #sizeKnown = false;

  /** @param maxBytes The largest message there may be, asked for each. */
  constructor(private readonly maxBytes: () => number) {}

  /** The messages that are complete now, header included. @throws NinePError when a size is out of bounds. */
  *push(chunk: Buffer): Generator<Buffer> {
    let rest = chunk;
    while (rest.length > 0) {
      const taken = rest.copy(this.#message, this.#filled);
      rest = rest.subarray(taken);
      this.#filled += taken;
      if (this.#filled < this.#message.length) return;
      if (!this.#sizeKnown) {
        this.#begin(this.#message.readUInt32LE(0));
        continue;
      }
      const message = this.#message;
      this.#message = Buffer.alloc(4);
      this.#filled = 0;
      this.#sizeKnown = false;
      yield message;
    }
  }

  #begin(size: number): void {
    if (size < HEADER_BYTES || size > this.maxBytes()) {
      throw new NinePError(`a message of ${size} bytes is out of bounds`);
    }
    const message = Buffer.alloc(size);
    message.set(this.#message);
    this.#message = message;
    this.#sizeKnown = true;
  }
}
