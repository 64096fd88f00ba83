import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';

/** A piece of pinned memory lent by a pool; bytes [start, end) of `buffer` are in use. */
export interface Chunk {
  readonly page: Page;
  readonly buffer: PinnedBuffer;
  readonly base: number;
  readonly capacity: number;
  start: number;
  end: number;
}

/** A large chunk, or as many small ones as it has room for. */
interface Page {
  readonly buffer: PinnedBuffer;
  readonly base: number;
  whole: Chunk | undefined;
  /** Small chunks that are not lent; none before the page is cut for the first time. */
  readonly free: Chunk[];
  lentSmall: number;
  /** Place among the pages that are cut and have something free; -1: it is none of them. */
  place: number;
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
  readonly #cut: Page[] = [];
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

  /** The last eighth is for bytes on their way to guests: hosts that don't read must not stop those of hosts that talk. */
  get nearlyUsedUp(): boolean {
    return this.#lent > this.limitBytes * 0.875;
  }

  get usedUp(): boolean {
    return this.#lent + LARGE_CHUNK_BYTES > this.limitBytes;
  }

  /**
   * An empty chunk of LARGE_CHUNK_BYTES, or of SMALL_CHUNK_BYTES when that is enough or all that is left; undefined when
   * the pool is used up.
   */
  take(bytes: number): Chunk | undefined {
    const chunk = (bytes > SMALL_CHUNK_BYTES ? this.#takeLarge() : undefined) ?? this.#takeSmall();
    if (chunk !== undefined) {
      chunk.start = chunk.base;
      chunk.end = chunk.base;
      this.#lent += chunk.capacity;
    }
    return chunk;
  }

  give(chunk: Chunk): void {
    this.#lent -= chunk.capacity;
    if (chunk.capacity === LARGE_CHUNK_BYTES) {
      this.#large.push(chunk);
      return;
    }
    const { page } = chunk;
    page.free.push(chunk);
    page.lentSmall--;
    if (page.lentSmall === 0) {
      if (page.place >= 0) this.#leaveCut(page);
      this.#large.push(page.whole as Chunk);
    } else if (page.place < 0) this.#joinCut(page);
  }

  #takeLarge(): Chunk | undefined {
    if (this.#large.length === 0) this.#grow();
    return this.#large.pop();
  }

  #takeSmall(): Chunk | undefined {
    const page = this.#cut.at(-1) ?? this.#cutPage();
    if (page === undefined) return undefined;
    const chunk = page.free.pop();
    page.lentSmall++;
    if (page.free.length === 0) this.#leaveCut(page);
    return chunk;
  }

  #cutPage(): Page | undefined {
    const page = this.#takeLarge()?.page;
    if (page === undefined) return undefined;
    if (page.free.length === 0) {
      const end = page.base + LARGE_CHUNK_BYTES;
      for (let { base } = page; base < end; base += SMALL_CHUNK_BYTES)
        page.free.push(newChunk(page, base, SMALL_CHUNK_BYTES));
    }
    this.#joinCut(page);
    return page;
  }

  #joinCut(page: Page): void {
    page.place = this.#cut.length;
    this.#cut.push(page);
  }

  #leaveCut(page: Page): void {
    const last = this.#cut.pop() as Page;
    if (last !== page) {
      this.#cut[page.place] = last;
      last.place = page.place;
    }
    page.place = -1;
  }

  #grow(): void {
    if (this.#allocated + SLAB_BYTES > this.limitBytes) return;
    this.#allocated += SLAB_BYTES;
    const buffer = allocatePinned(SLAB_BYTES);
    for (let base = 0; base < SLAB_BYTES; base += LARGE_CHUNK_BYTES) {
      const page: Page = { buffer, base, whole: undefined, free: [], lentSmall: 0, place: -1 };
      page.whole = newChunk(page, base, LARGE_CHUNK_BYTES);
      this.#large.push(page.whole);
    }
  }
}

function newChunk(page: Page, base: number, capacity: number): Chunk {
  return { page, buffer: page.buffer, base, capacity, start: base, end: base };
}
