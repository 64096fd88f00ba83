import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';

/** A piece of pinned memory lent by a pool; bytes [start, end) of `buffer` are in use. */
export interface Chunk {
  readonly buffer: PinnedBuffer;
  readonly base: number;
  readonly capacity: number;
  start: number;
  end: number;
}

/** For bursts: one receive, or one segmented send, whole. */
export const LARGE_CHUNK_BYTES = 64 * 1024;
/** For the small messages that most connections carry. */
export const SMALL_CHUNK_BYTES = 2 * 1024;
const SLAB_BYTES = 1024 * 1024;

/**
 * Memory for bytes in transit, shared by all connections of a network and bounded as a whole: when it is used up, readers
 * wait and segments are dropped (and come again), so slow peers cost speed and never memory.
 */
export class ChunkPool {
  readonly #large: Chunk[] = [];
  readonly #small: Chunk[] = [];
  #allocated = 0;
  #lent = 0;

  constructor(private readonly limitBytes: number) {}

  get lentBytes(): number {
    return this.#lent;
  }

  /** Less than a quarter is left: time to promise less. */
  get scarce(): boolean {
    return this.#lent > this.limitBytes * 0.75;
  }

  /** An empty chunk of LARGE_CHUNK_BYTES, or SMALL_CHUNK_BYTES when that is enough; undefined when the pool is used up. */
  take(bytes: number): Chunk | undefined {
    const small = bytes <= SMALL_CHUNK_BYTES;
    const free = small ? this.#small : this.#large;
    if (free.length === 0) this.#grow(free, small ? SMALL_CHUNK_BYTES : LARGE_CHUNK_BYTES);
    const chunk = free.pop();
    if (chunk !== undefined) {
      chunk.start = chunk.base;
      chunk.end = chunk.base;
      this.#lent += chunk.capacity;
    }
    return chunk;
  }

  give(chunk: Chunk): void {
    this.#lent -= chunk.capacity;
    (chunk.capacity === SMALL_CHUNK_BYTES ? this.#small : this.#large).push(chunk);
  }

  #grow(free: Chunk[], capacity: number): void {
    if (this.#allocated + SLAB_BYTES > this.limitBytes) return;
    this.#allocated += SLAB_BYTES;
    const buffer = allocatePinned(SLAB_BYTES);
    for (let base = 0; base < SLAB_BYTES; base += capacity) {
      free.push({ buffer, base, capacity, start: base, end: base });
    }
  }
}
