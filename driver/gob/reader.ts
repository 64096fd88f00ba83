import { GobError } from './error';
import type { MessageBuffer } from './message-buffer';
import { ShortStrings } from './short-strings';

const UINT32 = 2 ** 32;
/** The upper half of a uint64 below which the whole is a safe integer. */
const SAFE_HIGH = 2 ** 21;

const doubleView = new DataView(new ArrayBuffer(8));
const doubleBytes = new Uint8Array(doubleView.buffer);

/** Reads primitives (for their layouts see Writer) out of the current message of a buffer. */
export class Reader {
  readonly #strings = new ShortStrings();
  #bytes: Buffer;
  #at = 0;
  #end = 0;

  constructor(readonly source: MessageBuffer) {
    this.#bytes = source.bytes;
  }

  /** Moves on to the next message; false if it is not there yet. */
  nextMessage(): boolean {
    const arrived = this.source.advance();
    this.#bytes = this.source.bytes;
    this.#at = this.source.start;
    this.#end = arrived ? this.source.end : this.#at;
    return arrived;
  }

  /** Bytes left in the current message. */
  get left(): number {
    return this.#end - this.#at;
  }

  uint(): number | bigint {
    if (this.#at >= this.#end) throw this.truncated();
    const byte = this.#bytes[this.#at++]!;
    return byte < 0x80 ? byte : this.#long(256 - byte);
  }

  int(): number | bigint {
    const value = this.uint();
    if (typeof value === 'number') {
      if (value < 0x8000_0000) return value & 1 ? ~(value >> 1) : value >> 1;
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    const wide = value & 1n ? ~(value >> 1n) : value >> 1n;
    const narrow = Number(wide);
    return Number.isSafeInteger(narrow) ? narrow : wide;
  }

  /** A uint that counts something: refused when it is beyond what JavaScript can count. */
  count(): number {
    const value = this.uint();
    if (typeof value === 'bigint') throw new GobError('GOB_MALFORMED', `count of ${value}`);
    return value;
  }

  float(): number {
    if (this.#at >= this.#end) throw this.truncated();
    const byte = this.#bytes[this.#at++]!;
    doubleBytes.fill(0);
    if (byte < 0x80) {
      doubleBytes[7] = byte;
    } else {
      const size = 256 - byte;
      this.#need(size);
      for (let index = 8 - size; index < 8; index++) doubleBytes[index] = this.#bytes[this.#at++]!;
    }
    return doubleView.getFloat64(0, true);
  }

  /** @param maxBytes the longest string to accept, for names that are kept */
  string(maxBytes = Number.POSITIVE_INFINITY): string {
    const size = this.#size();
    if (size > maxBytes) throw new GobError('GOB_LIMIT', `name too long (${size} bytes)`);
    const start = this.#at;
    this.#at += size;
    return this.#strings.read(this.#bytes, start, this.#at);
  }

  /** A copy: the message buffer is about to be reused. */
  bytes(): Buffer {
    const size = this.#size();
    const start = this.#at;
    this.#at += size;
    const copy = size > 4096 ? Buffer.allocUnsafeSlow(size) : Buffer.allocUnsafe(size);
    this.#bytes.copy(copy, 0, start, this.#at);
    return copy;
  }

  truncated(): GobError {
    return new GobError('GOB_TRUNCATED', 'message ends in the middle of a value');
  }

  #size(): number {
    const size = this.count();
    if (size > this.left) throw this.truncated();
    return size;
  }

  #need(size: number): void {
    if (size > 8) throw new GobError('GOB_MALFORMED', 'encoded unsigned integer out of range');
    if (size > this.#end - this.#at) throw this.truncated();
  }

  #long(size: number): number | bigint {
    this.#need(size);
    const bytes = this.#bytes;
    let at = this.#at;
    this.#at += size;
    let high = 0;
    for (let left = size - 4; left > 0; left--) high = high * 256 + bytes[at++]!;
    let low = 0;
    for (; at < this.#at; at++) low = low * 256 + bytes[at]!;
    if (high < SAFE_HIGH) return high * UINT32 + low;
    return (BigInt(high) << 32n) | BigInt(low);
  }
}
