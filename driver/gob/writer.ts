import { GobError } from './error';

/** Scratch space above this is given back after use, so that one large value does not stay in memory for good. */
const KEEP_BYTES = 1024 * 1024;
/** Strings up to this length are worth writing character by character; above, the call into native code pays. */
const SHORT_STRING = 24;
/** Numbers up to this magnitude stay exact when an int is doubled to make room for its sign bit. */
const MAX_FAST_INT = 2 ** 51;

const UINT32 = 2 ** 32;
const MAX_UINT_BYTES = 9;
const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

const floatView = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(floatView.buffer);

/*
 * Primitive encodings:
 *
 *   uint    below 128: the byte itself; else one byte 256 - n, then the n significant bytes, big-endian
 *   int     a uint: x << 1, or ~x << 1 | 1 for negative x
 *   float   a uint: the bytes of the IEEE double in reverse order, so that round numbers are short
 *   string  uint length, bytes
 */
export class Writer {
  #bytes = Buffer.allocUnsafe(512);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A copy of what was written; the writer starts anew. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#length);
    this.#bytes.copy(taken, 0, 0, this.#length);
    this.reset();
    return taken;
  }

  /** Starts a message, with room in front for the longest length there is. */
  beginMessage(): void {
    this.#length = MAX_UINT_BYTES;
  }

  /** A copy of the message, with its length in front; the writer starts anew. */
  takeMessage(): Buffer {
    const bytes = this.#bytes;
    const end = this.#length;
    const size = end - MAX_UINT_BYTES;
    let start = MAX_UINT_BYTES - 1;
    if (size < 0x80) {
      bytes[start] = size;
    } else {
      start -= byteCount(size);
      this.#length = start;
      this.uint(size);
    }
    const message = Buffer.allocUnsafe(end - start);
    bytes.copy(message, 0, start, end);
    this.reset();
    return message;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#length = 0;
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = Buffer.allocUnsafe(512);
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  /** Writes a non-negative safe integer. */
  uint(value: number): void {
    if (value < 0x80) {
      this.byte(value);
      return;
    }
    if (this.#bytes.length - this.#length < MAX_UINT_BYTES) this.#grow(MAX_UINT_BYTES);
    const high = value < UINT32 ? 0 : Math.floor(value / UINT32);
    this.#long(high, value >>> 0);
  }

  /** Writes a safe integer. */
  int(value: number): void {
    if (value >= -MAX_FAST_INT && value <= MAX_FAST_INT) this.uint(value < 0 ? -2 * value - 1 : 2 * value);
    else this.bigInt(BigInt(value));
  }

  bigUint(value: bigint): void {
    if (value < 0n || value > MAX_UINT64) throw new GobError('GOB_TYPE_MISMATCH', `${value} does not fit a uint64`);
    if (value < 0x80n) {
      this.byte(Number(value));
      return;
    }
    if (this.#bytes.length - this.#length < MAX_UINT_BYTES) this.#grow(MAX_UINT_BYTES);
    this.#long(Number(value >> 32n), Number(value & 0xffff_ffffn));
  }

  bigInt(value: bigint): void {
    if (value < MIN_INT64 || value > MAX_INT64)
      throw new GobError('GOB_TYPE_MISMATCH', `${value} does not fit an int64`);
    this.bigUint(value < 0n ? (~value << 1n) | 1n : value << 1n);
  }

  float(value: number): void {
    // Little-endian order is the reversed order; what is left out are leading zeros of that.
    floatView.setFloat64(0, value, true);
    let first = 0;
    while (first < 7 && floatBytes[first] === 0) first++;
    if (first === 7 && floatBytes[7]! < 0x80) {
      this.byte(floatBytes[7]!);
      return;
    }
    if (this.#bytes.length - this.#length < MAX_UINT_BYTES) this.#grow(MAX_UINT_BYTES);
    this.#bytes[this.#length++] = 248 + first;
    for (let index = first; index < 8; index++) this.#bytes[this.#length++] = floatBytes[index]!;
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    if (this.#bytes.length - this.#length < value.length) this.#grow(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  string(value: string): void {
    const { length } = value;
    if (length <= SHORT_STRING) {
      if (this.#bytes.length - this.#length <= SHORT_STRING) this.#grow(SHORT_STRING + 1);
      const bytes = this.#bytes;
      const start = this.#length + 1;
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code >= 0x80) break;
        bytes[start + index] = code;
      }
      if (index === length) {
        bytes[start - 1] = length;
        this.#length = start + length;
        return;
      }
    }
    const size = Buffer.byteLength(value);
    this.uint(size);
    if (this.#bytes.length - this.#length < size) this.#grow(size);
    this.#length += this.#bytes.write(value, this.#length);
  }

  /** Opens a part that is preceded by its own length; returns what {@link close} needs. */
  open(): number {
    this.byte(0);
    return this.#length;
  }

  /** Closes the part, moving it up if its length takes more than the one byte set aside. */
  close(start: number): void {
    const size = this.#length - start;
    if (size < 0x80) {
      this.#bytes[start - 1] = size;
      return;
    }
    const extra = byteCount(size);
    if (this.#bytes.length - this.#length < extra) this.#grow(extra);
    this.#bytes.copyWithin(start + extra, start, this.#length);
    this.#bytes[start - 1] = 256 - extra;
    for (let at = start + extra - 1, rest = size; at >= start; at--, rest >>>= 8) this.#bytes[at] = rest;
    this.#length += extra;
  }

  /** Writes a uint of more than seven bits given as two halves; nine bytes must be free. */
  #long(high: number, low: number): void {
    const bytes = this.#bytes;
    const size = high === 0 ? byteCount(low) : 4 + byteCount(high);
    bytes[this.#length] = 256 - size;
    let at = this.#length + size;
    this.#length = at + 1;
    let rest = low;
    for (let left = size; left > 0; left--) {
      if (left === size - 4) rest = high;
      bytes[at--] = rest;
      rest >>>= 8;
    }
  }

  #grow(need: number): void {
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + need));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

const byteCount = (value: number): number => (value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x1000000 ? 3 : 4);
