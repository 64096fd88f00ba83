import type { Neighbour } from '../gateway/neighbours';
import type { Reactor } from '../reactor/reactor';
import { ByteQueue } from './byte-queue';
import { type ChunkPool, LARGE_CHUNK_BYTES } from './chunk-pool';
import { CongestionWindow } from './congestion-window';
import { RoundTrip } from './round-trip';
import { ACK, FIN, PSH, type SynOptions } from './segment-header';

/** Bytes taken from the host's socket ahead of the guest's acknowledgments. */
const LIMIT_BYTES = 4 * 1024 * 1024;
const SCARCE_LIMIT_BYTES = 64 * 1024;
/** An IP packet of 65,535 bytes less the longest headers. */
const MAX_PAYLOAD_BYTES = 65_535 - 60;
const MAX_RETRANSMISSIONS = 12;
const MIN_MSS = 64;

export interface SenderContext {
  readonly reactor: Reactor;
  readonly pool: ChunkPool;
}

/** Sends a segment with `length` bytes from the cursor of the sender's queue; false: the link had no room for it. */
export type Transmit = (flags: number, sequence: number, length: number) => boolean;

/**
 * One way of a connection: the host's bytes on their way to the guest, kept until they are acknowledged (RFC 9293 section
 * 3.8). It sends as the guest's window and the congestion window allow, and sends again what gets lost.
 */
export class Sender {
  /** What is not acknowledged yet; the cursor is at the byte that is sent next. */
  readonly queue: ByteQueue;
  readonly #congestion = new CongestionWindow();
  readonly #roundTrip = new RoundTrip();
  readonly #initial: number;
  #una: number;
  #nxt: number;
  /** Highest number ever sent; beyond #nxt while retransmitting. */
  #max: number;
  #window = 0;
  /** Numbers of the segment that last told the window. */
  #wl1 = 0;
  #wl2 = 0;
  #scale = 0;
  #mss = 536;
  #retransmissions = 0;
  #bytesSent = 0;
  #ending = false;
  #finSent = false;
  #finAcked = false;
  #isClosed = false;

  constructor(
    private readonly context: SenderContext,
    private readonly neighbour: Neighbour,
    initial: number,
    private readonly transmit: Transmit,
  ) {
    this.queue = new ByteQueue(context.pool);
    this.#initial = initial;
    this.#una = initial;
    this.#nxt = initial;
    this.#max = initial;
  }

  /** The number of our SYN. */
  get initial(): number {
    return this.#initial;
  }

  /** The number that is sent next. */
  get next(): number {
    return this.#nxt;
  }

  /** Window fields of the guest are to be shifted left by this (RFC 7323 section 2.2). */
  get scale(): number {
    return this.#scale;
  }

  get mss(): number {
    return this.#mss;
  }

  /** Bytes sent, each counted once. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** The host says nothing more. */
  get ending(): boolean {
    return this.#ending;
  }

  /** The guest knows that. */
  get finAcked(): boolean {
    return this.#finAcked;
  }

  get waitsForAnswer(): boolean {
    return this.#max !== this.#una || this.queue.length > 0;
  }

  get isIdle(): boolean {
    return this.#nxt === this.#una;
  }

  /** How long the next answer may take. */
  get timeoutMs(): number {
    return this.#roundTrip.timeoutMs(this.#retransmissions);
  }

  /** Bytes that may be added to the queue: no more than the guest has room for. */
  get room(): number {
    const limit = this.context.pool.scarce ? SCARCE_LIMIT_BYTES : LIMIT_BYTES;
    return Math.min(Math.max(this.#window, this.#mss), this.#congestion.bytes, limit) - this.queue.length;
  }

  /** As many bytes as are best added at once: whole segments, or a little for a guest that takes little. */
  portionOf(room: number): number {
    const most = Math.max(this.#mss, Math.floor(MAX_PAYLOAD_BYTES / this.#mss) * this.#mss);
    return room < LARGE_CHUNK_BYTES ? Math.min(most, Math.max(room, this.#mss)) : most;
  }

  takeOptions({ mss, windowScale }: SynOptions, longest: number): void {
    this.#mss = Math.max(MIN_MSS, Math.min(mss, longest));
    this.#scale = Math.max(0, windowScale);
  }

  /** Our SYN is sent. */
  begin(): void {
    this.#nxt = (this.#initial + 1) | 0;
    this.#max = this.#nxt;
  }

  /** Our SYN is acknowledged, and the guest has room for `window` bytes. */
  open(sequence: number, acknowledged: number, window: number): void {
    this.#una = acknowledged;
    this.#window = window;
    this.#wl1 = sequence;
    this.#wl2 = acknowledged;
    this.#roundTrip.assumeShort();
  }

  /** Ends the stream behind what is in the queue. */
  end(): void {
    this.#ending = true;
  }

  close(): void {
    this.#isClosed = true;
    this.queue.clear();
  }

  /** Whether a number acknowledges what was never sent. */
  isBeyond(acknowledged: number): boolean {
    return ((acknowledged - this.#max) | 0) > 0;
  }

  /** Takes what a segment of the guest says; true when it acknowledges something new. `window` is in bytes. */
  acknowledge(sequence: number, acknowledged: number, window: number, carriesData: boolean): boolean {
    const fresh = (acknowledged - this.#una) | 0;
    if (fresh < 0) return false;
    const before = this.#window;
    if (((sequence - this.#wl1) | 0) > 0 || (sequence === this.#wl1 && ((acknowledged - this.#wl2) | 0) >= 0)) {
      this.#window = window;
      this.#wl1 = sequence;
      this.#wl2 = acknowledged;
      // What was not answered were probes of a closed window.
      if (before === 0 && window > 0) this.#retransmissions = 0;
    }
    if (fresh > 0) {
      this.#advance(acknowledged, fresh);
      return true;
    }
    const isDuplicate = this.#max !== this.#una && !carriesData && window === before && window > 0;
    if (isDuplicate && this.#congestion.countDuplicate(this.#una, this.#max, this.#mss)) this.#retransmitFirst();
    return false;
  }

  /** Sends what may be sent; false: it stopped because the link is full, or gone and the connection with it. */
  output(): boolean {
    const { queue } = this;
    for (;;) {
      const inFlight = (this.#nxt - this.#una) | 0;
      const unsent = queue.length - inFlight;
      if (unsent <= 0) break;
      const usable = Math.min(this.#window, this.#congestion.bytes) - inFlight;
      const length = Math.min(queue.contiguous, usable, MAX_PAYLOAD_BYTES);
      if (length <= 0) break;
      // Sender's silly window avoidance (RFC 9293 section 3.8.6.2.1): small only when it is the last or the only one.
      if (length < this.#mss && length < unsent && usable < unsent && inFlight > 0) break;
      if (this.neighbour.link.full) return false;
      const isNew = this.#nxt === this.#max;
      if (isNew) this.#roundTrip.begin(this.#nxt, this.context.reactor.nowMs);
      if (!this.transmit(length === unsent ? ACK | PSH : ACK, this.#nxt, length)) {
        // A link that is not full has lost it, as a wire does.
        if (!this.neighbour.link.full) break;
        return false;
      }
      // Sending may have found out that the link is gone.
      if (this.#isClosed) return false;
      if (isNew) this.#bytesSent += length;
      queue.advance(length);
      this.#nxt = (this.#nxt + length) | 0;
      if (((this.#nxt - this.#max) | 0) > 0) this.#max = this.#nxt;
    }
    if (this.#ending && !this.#finAcked && ((this.#nxt - this.#una) | 0) === queue.length) {
      this.transmit(FIN | ACK, this.#nxt, 0);
      this.#finSent = true;
      this.#nxt = (this.#nxt + 1) | 0;
      this.#max = this.#nxt;
    }
    return true;
  }

  /**
   * No answer came in time. Back to the first byte that is not acknowledged, for `output` to send all over again; or a
   * closed window was probed; or that was tried often enough. A guest that keeps its window closed and is alive may do so
   * for as long as it likes.
   */
  timeOut(isAlive: boolean): 'back' | 'probed' | 'give-up' {
    this.#retransmissions++;
    if (this.#retransmissions > MAX_RETRANSMISSIONS && !(this.#window === 0 && isAlive)) return 'give-up';
    this.#roundTrip.forget();
    if (this.#window === 0) {
      this.#probe();
      return 'probed';
    }
    this.#congestion.timeOut(this.#una, this.#max, this.#mss);
    this.#nxt = this.#una;
    this.queue.seek(0);
    return 'back';
  }

  #advance(acknowledged: number, fresh: number): void {
    this.#roundTrip.acknowledge(acknowledged, this.context.reactor.nowMs);
    const finAcked = this.#finSent && acknowledged === this.#max && this.#ending;
    this.queue.drop(Math.min(this.queue.length, fresh - (finAcked ? 1 : 0)));
    this.#una = acknowledged;
    if (((this.#nxt - acknowledged) | 0) < 0) {
      this.#nxt = acknowledged;
      this.queue.seek(0);
    }
    this.#retransmissions = 0;
    if (this.#congestion.acknowledge(acknowledged, fresh, this.#mss)) this.#retransmitFirst();
    if (finAcked) this.#finAcked = true;
  }

  /** Sends what is at the front once more, as one segment. */
  #retransmitFirst(): void {
    this.#roundTrip.forget();
    if (this.queue.length === 0) {
      if (this.#finSent) this.transmit(FIN | ACK, this.#una, 0);
      return;
    }
    const cursor = Math.min(this.queue.length, (this.#nxt - this.#una) | 0);
    this.queue.seek(0);
    this.transmit(ACK | PSH, this.#una, Math.min(this.#mss, this.queue.contiguous));
    this.queue.seek(cursor);
  }

  /** Zero-window probe (RFC 9293 section 3.8.6.1): a byte beyond the window makes the guest tell its window. */
  #probe(): void {
    this.queue.seek(0);
    if (this.queue.length > 0) {
      this.transmit(ACK, this.#una, 1);
      if (this.#max === this.#una) this.#max = (this.#una + 1) | 0;
      this.queue.seek(Math.min(this.queue.length, (this.#nxt - this.#una) | 0));
    } else if (this.#finSent) this.transmit(FIN | ACK, this.#una, 0);
  }
}
