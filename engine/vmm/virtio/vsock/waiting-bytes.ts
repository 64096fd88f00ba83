import { allocatePinned, type PinnedBuffer } from '../../../../native/pinned-buffer';

/** Bytes in order that a socket did not take yet, up to a fixed number of them. No memory is held while there are none. */
export class WaitingBytes {
  #buffer: PinnedBuffer | undefined;
  #start = 0;
  #end = 0;

  constructor(private readonly capacity: number) {}

  get length(): number {
    return this.#end - this.#start;
  }

  /** Where the first of them lies. */
  get address(): number {
    return (this.#buffer?.address ?? 0) + this.#start;
  }

  /** The caller has looked at the room. */
  append(bytes: Uint8Array): void {
    this.#buffer ??= allocatePinned(this.capacity);
    if (this.#end + bytes.length > this.capacity) {
      this.#buffer.bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    this.#buffer.bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  drop(count: number): void {
    this.#start += count;
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
    this.#buffer = undefined;
  }
}
