import { encodeRecordHeader, PCAP_RECORD_HEADER_BYTES } from './pcap-format';

/** A ring of bytes that holds whole pcap records in order. Its memory is taken with the first record and never grows. */
export class RecordBuffer {
  readonly #capacity: number;
  readonly #header = new Uint8Array(PCAP_RECORD_HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  #ring: Uint8Array | undefined;
  #head = 0;
  #size = 0;

  constructor(capacityBytes: number) {
    this.#capacity = capacityBytes;
  }

  /** Bytes that are held, record headers included. */
  get size(): number {
    return this.#size;
  }

  get free(): number {
    return this.#capacity - this.#size;
  }

  /**
   * Appends a record; false, and nothing done, when it doesn't fit.
   * @param timeMs since 1970, with a fraction.
   */
  append(frame: Uint8Array, offset: number, length: number, snapLength: number, timeMs: number): boolean {
    const kept = Math.min(length, snapLength);
    if (PCAP_RECORD_HEADER_BYTES + kept > this.free) return false;
    encodeRecordHeader(this.#headerView, timeMs, kept, length);
    this.#put(this.#header, 0, PCAP_RECORD_HEADER_BYTES);
    this.#put(frame, offset, kept);
    return true;
  }

  /** The oldest bytes that lie in one piece, at most `limit`. A view: valid until they are dropped. */
  peek(limit: number): Uint8Array {
    if (this.#ring === undefined) return this.#header.subarray(0, 0);
    return this.#ring.subarray(this.#head, this.#head + Math.min(limit, this.#size, this.#capacity - this.#head));
  }

  /** Forgets the oldest bytes. */
  drop(bytes: number): void {
    this.#head = (this.#head + bytes) % this.#capacity;
    this.#size -= bytes;
  }

  /** Forgets the oldest record. */
  dropRecord(): void {
    const kept = this.#byte(8) + this.#byte(9) * 0x100 + this.#byte(10) * 0x1_0000 + this.#byte(11) * 0x100_0000;
    this.drop(PCAP_RECORD_HEADER_BYTES + kept);
  }

  /** Copies everything that is held into `target`. */
  copyTo(target: Uint8Array): void {
    const first = this.peek(this.#size);
    target.set(first);
    if (this.#ring !== undefined) target.set(this.#ring.subarray(0, this.#size - first.length), first.length);
  }

  #byte(at: number): number {
    return this.#ring?.[(this.#head + at) % this.#capacity] ?? 0;
  }

  #put(source: Uint8Array, offset: number, length: number): void {
    this.#ring ??= new Uint8Array(this.#capacity);
    const ring = this.#ring;
    const tail = (this.#head + this.#size) % this.#capacity;
    const first = Math.min(length, this.#capacity - tail);
    copy(source, offset, ring, tail, first);
    copy(source, offset + first, ring, 0, length - first);
    this.#size += length;
  }
}

/** Below this a loop is faster than a view of the source, and makes no garbage. */
const SHORT_BYTES = 64;

function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length > SHORT_BYTES) target.set(source.subarray(from, from + length), to);
  else for (let index = 0; index < length; index++) target[to + index] = source[from + index]!;
}
