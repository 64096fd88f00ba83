const WRITTEN = 0;
const READ = 1;
const READER_ASLEEP = 2;
const HEADER_BYTES = 16;

/**
 * Bytes from one thread to another through shared memory: one writer at a time (several if a lock is around them), one
 * reader. The reader is woken only when it may sleep, so that a stream of bytes costs no system call for each.
 *
 * Layout: 0 i32 bytes written so far, 4 i32 bytes read so far (both wrap), 8 i32 the reader sleeps, 16 the bytes.
 */
export class ByteRing {
  /** @param capacity bytes, a power of two. */
  static stateBytes(capacity: number): number {
    return HEADER_BYTES + capacity;
  }

  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  /** @param wake wakes the reader's thread; only the writer calls it. */
  constructor(
    shared: SharedArrayBuffer,
    private readonly wake: () => void,
  ) {
    this.capacity = shared.byteLength - HEADER_BYTES;
    if (this.capacity <= 0 || (this.capacity & (this.capacity - 1)) !== 0) {
      throw new RangeError(`a ring of ${this.capacity} bytes is not a power of two`);
    }
    this.#words = new Int32Array(shared, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(shared, HEADER_BYTES);
  }

  /** Power-on: empty, the reader waits. */
  reset(): void {
    Atomics.store(this.#words, WRITTEN, 0);
    Atomics.store(this.#words, READ, 0);
    Atomics.store(this.#words, READER_ASLEEP, 1);
  }

  /** Bytes that can be written now. */
  get room(): number {
    return this.capacity - ((Atomics.load(this.#words, WRITTEN) - Atomics.load(this.#words, READ)) >>> 0);
  }

  /** False: it is full and the byte is not in it. */
  push(byte: number): boolean {
    if (this.room === 0) return false;
    const written = Atomics.load(this.#words, WRITTEN);
    this.#bytes[written & (this.capacity - 1)] = byte;
    Atomics.store(this.#words, WRITTEN, (written + 1) | 0);
    if (Atomics.compareExchange(this.#words, READER_ASLEEP, 1, 0) === 1) this.wake();
    return true;
  }

  /**
   * Hands over what is there, at most `limit` bytes, as copies in order. True: more is left, and nobody will wake the
   * reader for it, so it must come again by itself. False: the ring is empty and the next byte wakes.
   */
  drain(limit: number, take: (bytes: Uint8Array) => void): boolean {
    for (let budget = limit; ; ) {
      const read = Atomics.load(this.#words, READ);
      const waiting = (Atomics.load(this.#words, WRITTEN) - read) >>> 0;
      if (waiting === 0) {
        Atomics.store(this.#words, READER_ASLEEP, 1);
        if (Atomics.load(this.#words, WRITTEN) === read) return false;
        // A byte came meanwhile. If the writer saw us asleep, it wakes us once for nothing.
        Atomics.store(this.#words, READER_ASLEEP, 0);
        continue;
      }
      if (budget === 0) return true;
      const start = read & (this.capacity - 1);
      const count = Math.min(waiting, budget, this.capacity - start);
      const bytes = this.#bytes.slice(start, start + count);
      Atomics.store(this.#words, READ, (read + count) | 0);
      budget -= count;
      take(bytes);
    }
  }
}
