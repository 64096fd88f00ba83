import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { EAGAIN, SO_ERROR, SOL_SOCKET, sockets } from '../../../native/sockets';
import type { EventHandler, Reactor, Watch } from '../reactor/reactor';
import { ByteQueue } from './byte-queue';
import { type ChunkPool, LARGE_CHUNK_BYTES, SMALL_CHUNK_BYTES } from './chunk-pool';

/** More than this is worth a chunk of its own; less is copied behind what waits already. */
const COPIED_BYTES = 16 * 1024;

/** What came of reading: bytes, nothing for now, the end of the stream, no memory to read into, or an error. */
export type ReadOutcome = 'bytes' | 'nothing' | 'end' | 'no-memory' | 'broken';

/** A connection's end on the host: a non-blocking stream socket, and what waits to be written to it. */
export class HostSocket {
  /** As far as is known: until a read or write says otherwise. */
  readable = false;
  writable = false;
  readonly #queue: ByteQueue;
  #watch: Watch | undefined;
  #ended = false;
  #isOpen = true;

  constructor(
    private readonly pool: ChunkPool,
    private readonly fd: number,
  ) {
    this.#queue = new ByteQueue(pool);
  }

  /** Bytes that wait to be written. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Nothing more will be written. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether there is an error, such as that of a connect; asking clears it. */
  takeError(): boolean {
    return sockets.getOption(this.fd, SOL_SOCKET, SO_ERROR) !== 0;
  }

  watch(reactor: Reactor, handler: EventHandler): void {
    this.#watch = reactor.watch(this.fd, handler);
  }

  /** Calls the watch's handler once more, next turn. */
  again(): void {
    this.#watch?.again();
  }

  /** Reads up to `most` bytes to the end of `queue`. */
  readTo(queue: ByteQueue, most: number): ReadOutcome {
    const large = this.pool.take(LARGE_CHUNK_BYTES);
    if (large === undefined) return 'no-memory';
    const length = sockets.receive(this.fd, large.buffer.address + large.base, Math.min(most, large.capacity));
    if (length <= 0) {
      this.pool.give(large);
      if (length < 0 && length !== -EAGAIN) return 'broken';
      this.readable = false;
      return length === 0 ? 'end' : 'nothing';
    }
    large.end = large.base + length;
    // Small messages share a chunk.
    if (length <= SMALL_CHUNK_BYTES || (length <= COPIED_BYTES && length <= queue.tailRoom)) {
      const kept = queue.push(large.buffer, large.base, large.end);
      if (kept === length) {
        this.pool.give(large);
        return 'bytes';
      }
      large.start += kept;
    }
    queue.append(large);
    return 'bytes';
  }

  /** Writes or queues the bytes [from, to); answers how many of them, -1 when the socket is broken. */
  write(buffer: PinnedBuffer, from: number, to: number): number {
    let sent = 0;
    if (this.#queue.length === 0 && this.writable) {
      sent = sockets.send(this.fd, buffer.address + from, to - from);
      if (sent === -EAGAIN) sent = 0;
      else if (sent < 0) return -1;
      if (sent < to - from) this.writable = false;
    }
    return sent === to - from || this.pool.nearlyUsedUp ? sent : sent + this.#queue.push(buffer, from + sent, to);
  }

  /** Writes what waits, as far as it goes; false when the socket is broken. */
  flush(): boolean {
    const queue = this.#queue;
    queue.seek(0);
    while (queue.length > 0 && this.writable) {
      const sent = sockets.send(this.fd, queue.cursorBuffer.address + queue.cursorStart, queue.contiguous);
      if (sent >= 0) queue.drop(sent);
      else if (sent === -EAGAIN) this.writable = false;
      else return false;
    }
    return true;
  }

  /** Tells the peer that nothing more will come. */
  endWriting(): void {
    this.#ended = true;
    sockets.endWriting(this.fd);
  }

  /** Makes the close a reset. */
  resetOnClose(): void {
    if (this.#isOpen) sockets.resetOnClose(this.fd);
  }

  /** Closes the descriptor, and forgets what was not written. Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#watch?.close();
    sockets.close(this.fd);
    this.#queue.clear();
  }
}
