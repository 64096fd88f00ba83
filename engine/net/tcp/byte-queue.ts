import type { PinnedBuffer } from '../../../native/pinned-buffer';
import type { Chunk, ChunkPool } from './chunk-pool';

/** Bytes in order, in chunks of a pool. Bytes leave at the front; a cursor tells how far they have been looked at. */
export class ByteQueue {
  #chunks: Chunk[] = [];
  #length = 0;
  #cursorChunk = 0;
  #cursorByte = 0;

  constructor(private readonly pool: ChunkPool) {}

  get length(): number {
    return this.#length;
  }

  /** Copies bytes to the end; answers how many found room. */
  push(source: PinnedBuffer, start: number, end: number): number {
    let from = start;
    while (from < end) {
      let last = this.#chunks.at(-1);
      if (last === undefined || last.end === last.base + last.capacity) {
        last = this.pool.take(end - from);
        if (last === undefined) break;
        this.#chunks.push(last);
      }
      const count = Math.min(end - from, last.base + last.capacity - last.end);
      source.bytes.copy(last.buffer.bytes, last.end, from, from + count);
      last.end += count;
      from += count;
    }
    this.#length += from - start;
    return from - start;
  }

  /** Takes over a chunk with bytes in it. */
  append(chunk: Chunk): void {
    this.#chunks.push(chunk);
    this.#length += chunk.end - chunk.start;
    this.#settle();
  }

  /** Drops bytes at the front. The cursor stays on its byte, or moves to the front if that byte is gone. */
  drop(count: number): void {
    let left = count;
    this.#length -= count;
    while (left > 0) {
      const first = this.#chunks[0] as Chunk;
      const here = Math.min(left, first.end - first.start);
      first.start += here;
      left -= here;
      if (this.#cursorChunk === 0) this.#cursorByte = Math.max(0, this.#cursorByte - here);
      if (first.start < first.end) break;
      this.#chunks.shift();
      this.pool.give(first);
      if (this.#cursorChunk > 0) this.#cursorChunk--;
      else this.#cursorByte = 0;
    }
  }

  /** Puts the cursor to a place counted from the front. */
  seek(offset: number): void {
    this.#cursorChunk = 0;
    this.#cursorByte = offset;
    this.#settle();
  }

  advance(count: number): void {
    this.#cursorByte += count;
    this.#settle();
  }

  /** Bytes at the cursor that lie in one piece; 0 at the end. `cursorBuffer` and `cursorStart` say where. */
  get contiguous(): number {
    const chunk = this.#chunks[this.#cursorChunk];
    return chunk === undefined ? 0 : chunk.end - chunk.start - this.#cursorByte;
  }

  get cursorBuffer(): PinnedBuffer {
    return (this.#chunks[this.#cursorChunk] as Chunk).buffer;
  }

  get cursorStart(): number {
    return (this.#chunks[this.#cursorChunk] as Chunk).start + this.#cursorByte;
  }

  /** Bytes that find room behind the last one without another chunk. */
  get tailRoom(): number {
    const last = this.#chunks.at(-1);
    return last === undefined ? 0 : last.base + last.capacity - last.end;
  }

  clear(): void {
    for (const chunk of this.#chunks) this.pool.give(chunk);
    this.#chunks = [];
    this.#length = 0;
    this.#cursorChunk = 0;
    this.#cursorByte = 0;
  }

  #settle(): void {
    for (;;) {
      const chunk = this.#chunks[this.#cursorChunk];
      // At the very end the cursor stays behind the last byte, where the next one will be.
      if (chunk === undefined || this.#cursorByte < chunk.end - chunk.start) return;
      if (this.#cursorChunk === this.#chunks.length - 1 && chunk.end < chunk.base + chunk.capacity) return;
      this.#cursorByte -= chunk.end - chunk.start;
      this.#cursorChunk++;
    }
  }
}
