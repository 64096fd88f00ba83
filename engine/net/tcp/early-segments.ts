import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { type Chunk, type ChunkPool, LARGE_CHUNK_BYTES, SMALL_CHUNK_BYTES } from './chunk-pool';

/** Memory for one connection's: the largest window that it is promised. */
const LIMIT_BYTES = 1024 * 1024;
/** RFC 2018 section 3: more don't fit into a header. */
const MAX_BLOCKS = 4;
const SACK_KIND = 5;
const NO_OPERATION = 1;

/** Bytes that came before those in front of them did. */
export interface EarlySegment {
  readonly sequence: number;
  /** Whoever takes the segment gives it back. */
  readonly chunk: Chunk;
}

/** Sequence numbers [start, end). */
interface Block {
  readonly start: number;
  end: number;
}

/**
 * What a connection keeps of a guest's segments behind one that got lost, so that only that one has to come again: senders
 * take for granted that a receiver does (RFC 9293 section 3.10.7.4), and stop for seconds where it doesn't.
 */
export class EarlySegments {
  /** By sequence number, no two of the same. */
  readonly #segments: EarlySegment[] = [];
  #lent = 0;
  /** Where the segment begins that came last. */
  #latest = 0;

  constructor(private readonly pool: ChunkPool) {}

  /** Copies bytes [start, end), as far as there is room for them. */
  keep(sequence: number, source: PinnedBuffer, start: number, end: number): void {
    // Small chunks waste least, but a kernel that leaves the cutting to its NIC fills large ones.
    const step = end - start > LARGE_CHUNK_BYTES / 2 ? LARGE_CHUNK_BYTES : SMALL_CHUNK_BYTES;
    for (let from = start; from < end; from += step) {
      if (this.#lent >= LIMIT_BYTES || this.pool.scarce) return;
      this.#keepPiece((sequence + from - start) | 0, source, from, Math.min(end, from + step));
    }
    this.#latest = sequence;
  }

  /** The segment that has the byte `next`, and no longer is kept; undefined: none has. */
  takeAt(next: number): EarlySegment | undefined {
    for (let first = this.#segments[0]; first !== undefined; first = this.#segments[0]) {
      const { sequence, chunk } = first;
      const passed = (next - sequence) | 0;
      if (passed < 0) return undefined;
      this.#segments.shift();
      this.#lent -= chunk.capacity;
      if (passed < chunk.end - chunk.start) return first;
      this.pool.give(chunk);
    }
    return undefined;
  }

  /**
   * Writes what is here as an option of selective acknowledgment, the block that came last first (RFC 2018 section 4);
   * answers its length, a multiple of four.
   */
  writeBlocks(view: DataView, offset: number): number {
    const blocks = this.#blocks();
    if (blocks.length === 0) return 0;
    view.setUint16(offset, (NO_OPERATION << 8) | NO_OPERATION);
    view.setUint16(offset + 2, (SACK_KIND << 8) | (2 + 8 * blocks.length));
    let at = offset + 4;
    for (const { start, end } of blocks) {
      view.setInt32(at, start);
      view.setInt32(at + 4, end);
      at += 8;
    }
    return at - offset;
  }

  clear(): void {
    for (const { chunk } of this.#segments) this.pool.give(chunk);
    this.#segments.length = 0;
    this.#lent = 0;
  }

  #keepPiece(sequence: number, source: PinnedBuffer, start: number, end: number): void {
    let place = this.#segments.length;
    let known: Chunk | undefined;
    for (; place > 0; place--) {
      const before = this.#segments[place - 1] as EarlySegment;
      const ahead = (sequence - before.sequence) | 0;
      if (ahead === 0) known = before.chunk;
      if (ahead > 0) break;
    }
    if (known !== undefined && known.end - known.start >= end - start) return;
    const chunk = this.pool.take(end - start);
    if (chunk === undefined) return;
    chunk.end += source.bytes.copy(chunk.buffer.bytes, chunk.base, start, Math.min(end, start + chunk.capacity));
    this.#lent += chunk.capacity;
    this.#segments.splice(place, known === undefined ? 0 : 1, { sequence, chunk });
    if (known === undefined) return;
    this.#lent -= known.capacity;
    this.pool.give(known);
  }

  #blocks(): readonly Block[] {
    const blocks: Block[] = [];
    let latest: Block | undefined;
    let current: Block | undefined;
    for (const { sequence, chunk } of this.#segments) {
      const end = (sequence + chunk.end - chunk.start) | 0;
      if (current === undefined || ((sequence - current.end) | 0) > 0) {
        current = { start: sequence, end };
        blocks.push(current);
      } else if (((end - current.end) | 0) > 0) current.end = end;
      if (sequence === this.#latest) latest = current;
    }
    const others = blocks
      .filter((block) => block !== latest)
      .slice(0, latest === undefined ? MAX_BLOCKS : MAX_BLOCKS - 1);
    return latest === undefined ? others : [latest, ...others];
  }
}
