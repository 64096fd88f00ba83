/**
 * Takes messages out of a TCP stream, each with its length before it as u16 big endian (RFC 1035 section 4.2.2). Of a
 * message longer than `maxBytes` the first `maxBytes` come out.
 */
export class FrameReader {
  readonly #maxBytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** The first byte of a length whose second is not here yet. */
  #high: number | undefined;
  #frame: Buffer | undefined;
  #filled = 0;
  #left = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    this.#chunk = this.#chunk.length === 0 ? chunk : Buffer.concat([this.#chunk, chunk]);
  }

  /** The next message if all of it is here. */
  next(): Buffer | undefined {
    while (this.#chunk.length > 0) {
      if (!this.#frame && !this.#readLength()) return undefined;
      const frame = this.#frame;
      if (!frame) return undefined;
      const part = Math.min(this.#left, this.#chunk.length);
      this.#filled += this.#chunk.copy(frame, this.#filled, 0, part);
      this.#left -= part;
      this.#chunk = this.#chunk.subarray(part);
      if (this.#left > 0) continue;
      this.#frame = undefined;
      return frame;
    }
    return undefined;
  }

  #readLength(): boolean {
    for (const byte of this.#chunk) {
      this.#chunk = this.#chunk.subarray(1);
      if (this.#high === undefined) {
        this.#high = byte;
        continue;
      }
      this.#left = (this.#high << 8) | byte;
      this.#high = undefined;
      this.#filled = 0;
      this.#frame = Buffer.alloc(Math.min(this.#left, this.#maxBytes));
      return true;
    }
    return false;
  }
}

/** A message with its length before it. */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}
