import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { EAGAIN, EPOLLERR, EPOLLIN, EPOLLOUT, SO_ERROR, SOL_SOCKET, sockets } from '../../../native/sockets';
import type { Neighbour } from '../gateway/neighbours';
import type { Watch } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { ByteQueue } from './byte-queue';
import { LARGE_CHUNK_BYTES, SMALL_CHUNK_BYTES } from './chunk-pool';
import { EarlySegments } from './early-segments';
import { ACK, FIN, PSH, RST, SYN, type SynOptions } from './segment-header';
import type { TcpClient, TcpContext, TcpEnds } from './tcp-context';

type Phase =
  /** The guest's SYN came; the host's connect is under way. */
  | 'connecting'
  /** Our SYN-ACK is on its way. */
  | 'syn-received'
  /** A connection from the host's side: our SYN is on its way. */
  | 'syn-sent'
  /** Both ways open; which of them have ended is told by the flags. */
  | 'open'
  /** All is said; a late FIN of the guest is still answered. */
  | 'time-wait'
  | 'closed';

/** What we offer: the guest may have 65,535 << 7 bytes under way, more than we ever let it. */
const OUR_WINDOW_SCALE = 7;
const MAX_WINDOW = 0xffff;
/** Bytes that the guest may send ahead of the host's reader. */
const RECEIVE_LIMIT_BYTES = 1024 * 1024;
const SCARCE_RECEIVE_LIMIT_BYTES = 64 * 1024;
/** Bytes taken from the host's socket ahead of the guest's acknowledgments. */
const SEND_LIMIT_BYTES = 4 * 1024 * 1024;
const SCARCE_SEND_LIMIT_BYTES = 64 * 1024;
/** More than this is worth a chunk of its own; less is copied behind what waits already. */
const COPIED_BYTES = 16 * 1024;
/** The link to a guest is memory, so nothing starts slowly; loss brings it down to RFC 5681's rules. */
const FIRST_CONGESTION_WINDOW = 8 * 1024 * 1024;
const MAX_CONGESTION_WINDOW = 16 * 1024 * 1024;
/** An IP packet of 65,535 bytes less the longest headers. */
const MAX_PAYLOAD_BYTES = 65_535 - 60;
const RECEIVES_IN_A_ROW = 16;

const FIRST_RTO_MS = 1000; // RFC 6298 section 2.1
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 60_000;
const MAX_RETRANSMISSIONS = 12;
const MAX_SYN_RETRANSMISSIONS = 5;
/** A guest is a wire away, and may be booting: it is asked often, for as long as a client's own patience may last. */
const GUEST_SYN_INTERVAL_MS = 250;
const GUEST_SYN_DEADLINE_MS = 60_000;
/** Shorter than 2 MSL on purpose: the way to the guest has no old duplicates. */
const TIME_WAIT_MS = 2000;
/** A silent connection may stay silent for ever; this only finds out that the guest is gone. */
const KEEPALIVE_IDLE_MS = 300_000;
const KEEPALIVE_INTERVAL_MS = 30_000;
const KEEPALIVE_PROBES = 9;

/**
 * One TCP connection between a guest and a host socket. Towards the guest it is a whole TCP (RFC 9293); towards the host
 * it is a descriptor. What the guest sends is written to the socket at once; what the socket has is read when the guest
 * has room for it, and kept until the guest has acknowledged it.
 */
export class Connection implements TcpClient {
  phase: Phase;
  /** Next in the same bucket of the connection table. */
  next: Connection | undefined;
  /** An acknowledgment is due at the end of this turn. */
  ackDue = false;
  waitsForLink = false;
  /** Told once, of a connection to the guest, whether the guest took it. */
  onAnswer: ((open: boolean) => void) | undefined;

  readonly openedMs: number;
  bytesFromGuest = 0;
  bytesToGuest = 0;

  #watch: Watch | undefined;
  readonly #timer: Timer;
  /** The timer waits for an acknowledgment; otherwise it watches over silence. */
  #timesAnswer = false;

  // Guest to host.
  #rcvNxt = 0;
  /** Right edge of the window that was promised; never moves back. */
  #rcvEdge = 0;
  readonly #toHost: ByteQueue;
  /** Made when something gets lost: on the links that guests have, hardly ever. */
  #early: EarlySegments | undefined;
  /** Whether the guest wants to know what came early (RFC 2018). */
  #sack = false;
  #hostWritable = false;
  #guestFin = false;
  #hostEnded = false;

  // Host to guest.
  #iss: number;
  #sndUna: number;
  #sndNxt: number;
  /** Highest number ever sent; beyond #sndNxt while retransmitting. */
  #sndMax: number;
  #sndWnd = 0;
  #sndWl1 = 0;
  #sndWl2 = 0;
  #sndScale = 0;
  #mss = 536;
  readonly #toGuest: ByteQueue;
  #hostReadable = false;
  #hostFin = false;
  #finSent = false;
  #finAcked = false;
  #scaling = false;

  #cwnd = FIRST_CONGESTION_WINDOW;
  #ssthresh = MAX_CONGESTION_WINDOW;
  #duplicateAcks = 0;
  /** Fast recovery until this number is acknowledged. */
  #recover = 0;
  #recovering = false;

  #rtoMs = FIRST_RTO_MS;
  #srttMs = 0;
  #rttvarMs = 0;
  #timedSequence = 0;
  #timedAtMs = -1;
  #retransmissions = 0;
  #probes = 0;
  #lastHeardMs: number;

  constructor(
    private readonly context: TcpContext,
    readonly ends: TcpEnds,
    readonly neighbour: Neighbour,
    private readonly fd: number,
    readonly hash: number,
    phase: 'connecting' | 'syn-sent',
  ) {
    this.phase = phase;
    this.#iss = context.initialSequence();
    this.#sndUna = this.#iss;
    this.#sndNxt = this.#iss;
    this.#sndMax = this.#iss;
    this.#toHost = new ByteQueue(context.pool);
    this.#toGuest = new ByteQueue(context.pool);
    this.#timer = context.reactor.timer(() => this.#onTimer());
    this.openedMs = context.reactor.nowMs;
    this.#lastHeardMs = this.openedMs;
  }

  /** Begins a connection that the guest opened with this SYN; the host's connect is under way or done. */
  openFromGuest(sequence: number, options: SynOptions, window: number): void {
    this.#rcvNxt = (sequence + 1) | 0;
    this.#sndWnd = window;
    this.#takeOptions(options);
    this.#watchHost();
  }

  /** Begins a connection to the guest on behalf of an accepted host socket. */
  openToGuest(): void {
    this.#scaling = true;
    this.#sack = true;
    this.#watchHost();
    if (this.neighbour.present) this.#sendSyn(SYN);
    this.#timer.set(this.context.reactor.nowMs + GUEST_SYN_INTERVAL_MS);
  }

  /** A segment of the guest for this connection; payload is bytes [start, end) of `buffer`. */
  receive(
    flags: number,
    sequence: number,
    acknowledged: number,
    window: number,
    options: SynOptions | undefined,
    buffer: PinnedBuffer,
    start: number,
    end: number,
  ): void {
    this.#lastHeardMs = this.context.reactor.nowMs;
    this.#probes = 0;
    switch (this.phase) {
      case 'connecting':
        if ((flags & RST) !== 0 && sequence === this.#rcvNxt) this.destroy();
        return;
      case 'syn-sent':
        this.#receiveInSynSent(flags, sequence, acknowledged, window, options);
        return;
      case 'closed':
        return;
      default:
        this.#receiveInOrder(flags, sequence, acknowledged, window, buffer, start, end);
    }
  }

  /** Takes up again what stopped because the link was full. */
  resume(): void {
    this.waitsForLink = false;
    this.#output();
    if (this.#hostReadable && this.phase === 'open') this.#readHost();
  }

  /** Sends the acknowledgment that is due, unless data carried it. */
  flushAck(): void {
    if (!this.ackDue) return;
    this.ackDue = false;
    if (this.phase === 'open' || this.phase === 'time-wait') this.#sendControl(ACK);
  }

  /** Ends both ends at once: a reset to the guest, and one to the host's peer. */
  abort(): void {
    if (this.phase === 'closed') return;
    if (this.phase === 'connecting') this.context.refuse(this.ends, this.neighbour, this.#rcvNxt);
    else this.#sendSegment(RST | ACK, this.#sndNxt, 0);
    this.#resetHost();
    this.destroy();
  }

  /** Forgets the connection without a word to the guest. */
  destroy(): void {
    if (this.phase === 'closed') return;
    const hadSocket = this.phase !== 'time-wait';
    this.phase = 'closed';
    this.#answer(false);
    this.#timer.clear();
    if (hadSocket) this.#closeHost();
    this.#toHost.clear();
    this.#early?.clear();
    this.#toGuest.clear();
    this.context.forget(this);
  }

  #closeHost(): void {
    this.#watch?.close();
    this.#watch = undefined;
    sockets.close(this.fd);
  }

  #resetHost(): void {
    if (this.#watch !== undefined) sockets.resetOnClose(this.fd);
  }

  #watchHost(): void {
    this.#watch = this.context.reactor.watch(this.fd, (events) => this.#onHost(events));
  }

  #takeOptions({ mss, windowScale, sack }: SynOptions): void {
    this.#sack = sack;
    this.#mss = Math.max(64, Math.min(mss, this.context.mssFor(this.ends.guest)));
    this.#scaling = windowScale >= 0;
    this.#sndScale = Math.max(0, windowScale);
  }

  // ---- the host's socket

  #onHost(events: number): void {
    if (this.phase === 'connecting') {
      this.#finishConnect(events);
      return;
    }
    if (this.phase === 'closed' || this.phase === 'time-wait') return;
    if ((events & EPOLLERR) !== 0 && sockets.getOption(this.fd, SOL_SOCKET, SO_ERROR) !== 0) {
      this.abort();
      return;
    }
    if ((events & EPOLLOUT) !== 0) {
      this.#hostWritable = true;
      if (this.#toHost.length > 0) this.#flushToHost();
    }
    if ((events & ~EPOLLOUT) !== 0) this.#hostReadable = true;
    if (this.phase === 'open') this.#readHost();
  }

  #finishConnect(events: number): void {
    if ((events & ~EPOLLIN) === 0) return;
    if (sockets.getOption(this.fd, SOL_SOCKET, SO_ERROR) !== 0) {
      this.abort();
      return;
    }
    this.phase = 'syn-received';
    this.#hostWritable = true;
    this.#hostReadable = true;
    this.#sendSyn(SYN | ACK);
    this.#timer.set(this.context.reactor.nowMs + this.#rtoMs);
  }

  /** Reads as much as the guest has room for, no more: what is not read keeps the host's peer waiting, as it should. */
  #readHost(): void {
    if (this.#hostFin) return;
    for (let round = 0; this.#hostReadable; round++) {
      if (this.phase !== 'open') return;
      if (round === RECEIVES_IN_A_ROW) {
        this.#watch?.again();
        return;
      }
      const limit = this.context.pool.scarce ? SCARCE_SEND_LIMIT_BYTES : SEND_LIMIT_BYTES;
      const room = Math.min(Math.max(this.#sndWnd, this.#mss), this.#cwnd, limit) - this.#toGuest.length;
      if (room <= 0 || this.waitsForLink) return;
      if (!this.#receiveFromHost(room)) return;
      this.#output();
    }
  }

  /** False when there is nothing (more) to read for now. */
  #receiveFromHost(room: number): boolean {
    const { pool } = this.context;
    // Small messages share a chunk; for anything else a chunk is filled with whole segments. A guest that takes little
    // does not keep much of ours.
    const most = Math.max(this.#mss, Math.floor(MAX_PAYLOAD_BYTES / this.#mss) * this.#mss);
    const whole = room < LARGE_CHUNK_BYTES ? Math.min(most, Math.max(room, this.#mss)) : most;
    const large = pool.take(LARGE_CHUNK_BYTES);
    if (large === undefined) {
      this.context.waitForMemory(this);
      return false;
    }
    const length = sockets.receive(this.fd, large.buffer.address + large.base, Math.min(whole, large.capacity));
    if (length <= 0) {
      pool.give(large);
      if (length === -EAGAIN) this.#hostReadable = false;
      else if (length === 0) {
        this.#hostReadable = false;
        this.#hostFin = true;
        this.#output();
      } else this.abort();
      return false;
    }
    large.end = large.base + length;
    if (length <= SMALL_CHUNK_BYTES || (length <= COPIED_BYTES && length <= this.#toGuest.tailRoom)) {
      const kept = this.#toGuest.push(large.buffer, large.base, large.end);
      if (kept === length) {
        pool.give(large);
        return true;
      }
      large.start += kept;
    }
    this.#toGuest.append(large);
    return true;
  }

  #flushToHost(): void {
    const queue = this.#toHost;
    queue.seek(0);
    while (queue.length > 0 && this.#hostWritable) {
      const sent = sockets.send(this.fd, queue.cursorBuffer.address + queue.cursorStart, queue.contiguous);
      if (sent >= 0) queue.drop(sent);
      else if (sent === -EAGAIN) this.#hostWritable = false;
      else {
        this.abort();
        return;
      }
    }
    if (queue.length === 0 && this.#guestFin) this.#endHost();
    // Window updates are worth a segment when they matter (RFC 9293 section 3.8.6.2.2).
    const room = (this.#rcvNxt + this.#receiveRoom() - this.#rcvEdge) | 0;
    if (room >= Math.min(RECEIVE_LIMIT_BYTES / 4, 2 * this.#mss) || queue.length === 0) this.#acknowledge();
  }

  #endHost(): void {
    if (this.#hostEnded) return;
    this.#hostEnded = true;
    sockets.endWriting(this.fd);
    this.#finishIfDone();
  }

  // ---- segments of the guest

  #receiveInSynSent(
    flags: number,
    sequence: number,
    acknowledged: number,
    window: number,
    options: SynOptions | undefined,
  ): void {
    const acceptable = (flags & ACK) !== 0 && acknowledged === this.#sndNxt;
    if ((flags & RST) !== 0) {
      if (!acceptable) return;
      this.#resetHost();
      this.destroy();
      return;
    }
    if ((flags & ACK) !== 0 && !acceptable) {
      // The guest still has a connection of these ports; this ends it (RFC 9293 section 3.5.2), and the next SYN is heard.
      this.context.resetUnknown(this.ends, this.neighbour, acknowledged);
      return;
    }
    if ((flags & SYN) === 0 || !acceptable || options === undefined) return;
    this.#rcvNxt = (sequence + 1) | 0;
    this.#rcvEdge = this.#rcvNxt;
    this.#takeOptions(options);
    this.#sndUna = acknowledged;
    this.#sndWnd = window;
    this.#sndWl1 = sequence;
    this.#sndWl2 = acknowledged;
    this.#becomeOpen();
    this.#acknowledge();
  }

  #answer(open: boolean): void {
    const tell = this.onAnswer;
    this.onAnswer = undefined;
    tell?.(open);
  }

  #becomeOpen(): void {
    this.phase = 'open';
    this.#answer(true);
    this.#retransmissions = 0;
    this.#rtoMs = MIN_RTO_MS;
    this.#hostWritable = true;
    this.#hostReadable = true;
    this.#setTimer();
    this.#readHost();
  }

  #receiveInOrder(
    flags: number,
    sequence: number,
    acknowledged: number,
    window: number,
    buffer: PinnedBuffer,
    start: number,
    end: number,
  ): void {
    const ahead = (sequence - this.#rcvNxt) | 0;
    const length = end - start + ((flags & FIN) !== 0 ? 1 : 0);
    const room = (this.#rcvEdge - this.#rcvNxt) | 0;
    if ((flags & RST) !== 0) {
      // RFC 5961 section 3.2: only the very next number resets; others in the window are asked again.
      if (ahead === 0) {
        this.#resetHost();
        this.destroy();
      } else if (ahead > 0 && ahead < Math.max(room, 1)) this.#acknowledge();
      return;
    }
    if ((flags & SYN) !== 0) {
      // Our SYN-ACK got lost, or RFC 5961 section 4.2.
      if (this.phase === 'syn-received' && ahead === -1) this.#sendSyn(SYN | ACK);
      else this.#acknowledge();
      return;
    }
    if ((flags & ACK) === 0) return;
    if (!this.#acceptable(ahead, length, room)) {
      this.#acknowledge();
      // A keepalive or an old duplicate may still acknowledge something.
      if (ahead > 0 || this.phase !== 'open') return;
    }
    if (this.phase === 'syn-received') {
      if (acknowledged !== this.#sndNxt) {
        this.context.resetUnknown(this.ends, this.neighbour, acknowledged);
        return;
      }
      this.#sndUna = acknowledged;
      this.#sndWnd = window << this.#sndScale;
      this.#sndWl1 = sequence;
      this.#sndWl2 = acknowledged;
      this.#becomeOpen();
    } else if (!this.#takeAck(sequence, acknowledged, window << this.#sndScale, end > start)) return;
    if (this.phase !== 'open' && this.phase !== 'time-wait') return;
    if (length > 0) this.#takeData(ahead, (flags & FIN) !== 0, buffer, start, end);
    if (this.phase === 'open') {
      this.#output();
      if (this.#hostReadable) this.#readHost();
    }
  }

  /** RFC 9293 section 3.10.7.4, first check. */
  #acceptable(ahead: number, length: number, room: number): boolean {
    if (length === 0) return room === 0 ? ahead === 0 : ahead >= 0 && ahead < room;
    if (room === 0) return false;
    return (ahead >= 0 && ahead < room) || (ahead + length - 1 >= 0 && ahead + length - 1 < room);
  }

  /** False: it acknowledges what was never sent, and nothing of the segment counts. */
  #takeAck(sequence: number, acknowledged: number, window: number, carriesData: boolean): boolean {
    const fresh = (acknowledged - this.#sndUna) | 0;
    if (((acknowledged - this.#sndMax) | 0) > 0) {
      this.#acknowledge();
      return false;
    }
    if (fresh < 0) return true;
    const oldWindow = this.#sndWnd;
    if (
      ((sequence - this.#sndWl1) | 0) > 0 ||
      (sequence === this.#sndWl1 && ((acknowledged - this.#sndWl2) | 0) >= 0)
    ) {
      this.#sndWnd = window;
      this.#sndWl1 = sequence;
      this.#sndWl2 = acknowledged;
      // What was not answered were probes of a closed window.
      if (oldWindow === 0 && window > 0) this.#retransmissions = 0;
    }
    if (fresh === 0) {
      const outstanding = this.#sndMax !== this.#sndUna;
      if (outstanding && !carriesData && window === oldWindow && window > 0) this.#countDuplicate();
      return true;
    }
    this.#advance(acknowledged, fresh);
    return true;
  }

  #advance(acknowledged: number, fresh: number): void {
    const now = this.context.reactor.nowMs;
    if (this.#timedAtMs >= 0 && ((acknowledged - this.#timedSequence) | 0) > 0)
      this.#takeRoundTrip(now - this.#timedAtMs);
    const finAcked = this.#finSent && acknowledged === this.#sndMax && this.#hostFin;
    this.#toGuest.drop(Math.min(this.#toGuest.length, fresh - (finAcked ? 1 : 0)));
    this.#sndUna = acknowledged;
    if (((this.#sndNxt - acknowledged) | 0) < 0) {
      this.#sndNxt = acknowledged;
      this.#toGuest.seek(0);
    }
    this.#retransmissions = 0;
    this.#duplicateAcks = 0;
    this.#growWindow(acknowledged, fresh);
    if (finAcked) {
      this.#finAcked = true;
      this.#finishIfDone();
    }
    this.#setTimer();
  }

  #growWindow(acknowledged: number, fresh: number): void {
    if (this.#recovering) {
      if (((acknowledged - this.#recover) | 0) >= 0) {
        this.#recovering = false;
        this.#cwnd = this.#ssthresh;
      } else {
        // RFC 6582: the next hole.
        this.#retransmitFirst();
      }
      return;
    }
    if (this.#cwnd >= MAX_CONGESTION_WINDOW) return;
    this.#cwnd +=
      this.#cwnd < this.#ssthresh
        ? fresh
        : Math.max(1, Math.floor((this.#mss * Math.max(fresh, this.#mss)) / this.#cwnd));
  }

  #countDuplicate(): void {
    this.#duplicateAcks++;
    if (this.#recovering) {
      this.#cwnd += this.#mss;
      return;
    }
    if (this.#duplicateAcks !== 3) return;
    const inFlight = (this.#sndMax - this.#sndUna) | 0;
    this.#ssthresh = Math.max(Math.floor(inFlight / 2), 2 * this.#mss);
    this.#cwnd = this.#ssthresh + 3 * this.#mss;
    this.#recover = this.#sndMax;
    this.#recovering = true;
    this.#retransmitFirst();
  }

  /** Sends what is at the front once more, as one segment. */
  #retransmitFirst(): void {
    this.#timedAtMs = -1;
    if (this.#toGuest.length === 0) {
      if (this.#finSent) this.#sendSegment(FIN | ACK, this.#sndUna, 0);
      return;
    }
    const cursor = Math.min(this.#toGuest.length, (this.#sndNxt - this.#sndUna) | 0);
    this.#toGuest.seek(0);
    this.#sendSegment(ACK | PSH, this.#sndUna, Math.min(this.#mss, this.#toGuest.contiguous));
    this.#toGuest.seek(cursor);
  }

  #takeRoundTrip(sampleMs: number): void {
    this.#timedAtMs = -1;
    if (this.#srttMs === 0) {
      this.#srttMs = sampleMs;
      this.#rttvarMs = sampleMs / 2;
    } else {
      this.#rttvarMs = 0.75 * this.#rttvarMs + 0.25 * Math.abs(this.#srttMs - sampleMs);
      this.#srttMs = 0.875 * this.#srttMs + 0.125 * sampleMs;
    }
    this.#rtoMs = Math.min(MAX_RTO_MS, Math.max(MIN_RTO_MS, this.#srttMs + 4 * this.#rttvarMs));
  }

  #takeData(ahead: number, fin: boolean, buffer: PinnedBuffer, start: number, end: number): void {
    if (ahead > 0 || this.#guestFin) {
      if (ahead > 0) {
        const room = (this.#rcvEdge - this.#rcvNxt) | 0;
        this.#early ??= new EarlySegments(this.context.pool);
        this.#early.keep((this.#rcvNxt + ahead) | 0, buffer, start, Math.min(end, start + room - ahead));
        // What is missing is asked for by what we acknowledge. At once, because the sender counts duplicates.
        this.#sendControl(ACK);
      } else this.#acknowledge();
      return;
    }
    const from = start - ahead;
    const room = (this.#rcvEdge - this.#rcvNxt) | 0;
    const to = Math.min(end, from + room);
    const taken = to > from ? this.#passToHost(buffer, from, to) : 0;
    if (taken < 0) return;
    this.#rcvNxt = (this.#rcvNxt + taken) | 0;
    this.bytesFromGuest += taken;
    if (fin && from + taken === end) {
      this.#rcvNxt = (this.#rcvNxt + 1) | 0;
      this.#guestFin = true;
      if (this.#toHost.length === 0) this.#endHost();
    } else if (this.#early !== undefined && from + taken === to) this.#takeEarly(this.#early);
    this.#acknowledge();
  }

  /** What came early and is next now. */
  #takeEarly(early: EarlySegments): void {
    for (let segment = early.takeAt(this.#rcvNxt); segment !== undefined; segment = early.takeAt(this.#rcvNxt)) {
      const { sequence, chunk } = segment;
      const from = chunk.start + ((this.#rcvNxt - sequence) | 0);
      const taken = this.#passToHost(chunk.buffer, from, chunk.end);
      this.context.pool.give(chunk);
      if (taken < 0) return;
      this.#rcvNxt = (this.#rcvNxt + taken) | 0;
      this.bytesFromGuest += taken;
      // The rest finds no memory, and comes again.
      if (from + taken < chunk.end) return;
    }
  }

  /** Bytes that the socket or the queue took; -1 when the host's end broke. */
  #passToHost(buffer: PinnedBuffer, from: number, to: number): number {
    let sent = 0;
    if (this.#toHost.length === 0 && this.#hostWritable) {
      sent = sockets.send(this.fd, buffer.address + from, to - from);
      if (sent === -EAGAIN) sent = 0;
      else if (sent < 0) {
        this.abort();
        return -1;
      }
      if (sent < to - from) this.#hostWritable = false;
    }
    return sent === to - from || this.context.pool.nearlyUsedUp
      ? sent
      : sent + this.#toHost.push(buffer, from + sent, to);
  }

  // ---- segments to the guest

  #output(): void {
    if (this.phase !== 'open') return;
    const queue = this.#toGuest;
    const nothingUnderWay = this.#sndNxt === this.#sndUna;
    for (;;) {
      const inFlight = (this.#sndNxt - this.#sndUna) | 0;
      const unsent = queue.length - inFlight;
      if (unsent <= 0) break;
      const usable = Math.min(this.#sndWnd, this.#cwnd) - inFlight;
      const length = Math.min(queue.contiguous, usable, MAX_PAYLOAD_BYTES);
      if (length <= 0) break;
      // Sender's silly window avoidance (RFC 9293 section 3.8.6.2.1): small only when it is the last or the only one.
      if (length < this.#mss && length < unsent && usable < unsent && inFlight > 0) break;
      if (this.neighbour.link.full) {
        this.#waitForLink();
        return;
      }
      if (this.#timedAtMs < 0 && this.#sndNxt === this.#sndMax) {
        this.#timedSequence = this.#sndNxt;
        this.#timedAtMs = this.context.reactor.nowMs;
      }
      if (!this.#sendSegment(length === unsent ? ACK | PSH : ACK, this.#sndNxt, length)) {
        // A link that is not full has lost it, as a wire does.
        if (!this.neighbour.link.full) break;
        this.#waitForLink();
        return;
      }
      // Sending may have found out that the link is gone.
      if (this.#isClosed) return;
      if (this.#sndNxt === this.#sndMax) this.bytesToGuest += length;
      queue.advance(length);
      this.#sndNxt = (this.#sndNxt + length) | 0;
      if (((this.#sndNxt - this.#sndMax) | 0) > 0) this.#sndMax = this.#sndNxt;
    }
    if (this.#hostFin && !this.#finAcked && ((this.#sndNxt - this.#sndUna) | 0) === queue.length) {
      this.#sendSegment(FIN | ACK, this.#sndNxt, 0);
      this.#finSent = true;
      this.#sndNxt = (this.#sndNxt + 1) | 0;
      this.#sndMax = this.#sndNxt;
    }
    // RFC 6298 section 5: what is sent later does not make the first of it any younger.
    const begins = nothingUnderWay && this.#sndNxt !== this.#sndUna;
    if (begins || !this.#timer.pending || this.#timesAnswer !== this.#waitsForAnswer) this.#setTimer();
  }

  get #isClosed(): boolean {
    return this.phase === 'closed';
  }

  get #waitsForAnswer(): boolean {
    return this.#sndMax !== this.#sndUna || this.#toGuest.length > 0;
  }

  #waitForLink(): void {
    if (this.waitsForLink) return;
    this.waitsForLink = true;
    this.context.waitForLink(this);
    this.#setTimer();
  }

  #acknowledge(): void {
    if (this.ackDue) return;
    this.ackDue = true;
    this.context.ackAtTurnEnd(this);
  }

  #receiveRoom(): number {
    const limit = this.#scaling
      ? this.context.pool.scarce
        ? SCARCE_RECEIVE_LIMIT_BYTES
        : RECEIVE_LIMIT_BYTES
      : MAX_WINDOW;
    return Math.max(0, limit - this.#toHost.length);
  }

  /** The window field for now; what it promises is remembered. */
  #promiseWindow(): number {
    const scale = this.#scaling ? OUR_WINDOW_SCALE : 0;
    const promised = (this.#rcvEdge - this.#rcvNxt) | 0;
    const window = Math.max(promised, this.#receiveRoom());
    const field = Math.min(MAX_WINDOW, window >> scale);
    const edge = (this.#rcvNxt + (field << scale)) | 0;
    if (((edge - this.#rcvEdge) | 0) > 0) this.#rcvEdge = edge;
    return field;
  }

  #sendSyn(flags: number): void {
    // A SYN's window is never scaled (RFC 7323 section 2.2).
    if ((flags & ACK) !== 0) this.#rcvEdge = (this.#rcvNxt + MAX_WINDOW) | 0;
    const scale = this.#scaling ? OUR_WINDOW_SCALE : -1;
    this.context.sendSyn(this, flags, this.#iss, this.#rcvNxt, MAX_WINDOW, scale, this.#sack);
    this.#sndNxt = (this.#iss + 1) | 0;
    this.#sndMax = this.#sndNxt;
    if (this.phase === 'syn-received') return;
    this.#sndUna = this.#iss;
  }

  #sendControl(flags: number): void {
    this.#sendSegment(flags, this.#sndNxt, 0);
  }

  #sendSegment(flags: number, sequence: number, length: number): boolean {
    const window = this.#promiseWindow();
    if (length === 0) {
      const early = this.#sack && flags === ACK ? this.#early : undefined;
      return this.context.sendControl(this, flags, sequence, this.#rcvNxt, window, early);
    }
    const queue = this.#toGuest;
    const sent = this.context.sendData(
      this,
      flags,
      sequence,
      this.#rcvNxt,
      window,
      queue.cursorBuffer,
      queue.cursorStart,
      length,
      this.#mss,
    );
    if (sent) this.ackDue = false;
    return sent;
  }

  // ---- time

  #setTimer(): void {
    const now = this.context.reactor.nowMs;
    if (this.phase === 'time-wait') return;
    this.#timesAnswer = this.#waitsForAnswer;
    if (this.#timesAnswer) {
      this.#timer.set(now + Math.min(MAX_RTO_MS, this.#rtoMs * 2 ** Math.min(this.#retransmissions, 8)));
    } else {
      this.#timer.set(now + (this.#probes === 0 ? KEEPALIVE_IDLE_MS : KEEPALIVE_INTERVAL_MS));
    }
  }

  #onTimer(): void {
    switch (this.phase) {
      case 'connecting': // The host's kernel has its own time-out for a connect.
      case 'closed':
        return;
      case 'syn-sent':
        if (this.context.reactor.nowMs - this.openedMs > GUEST_SYN_DEADLINE_MS) this.abort();
        else {
          if (this.neighbour.present) this.#sendSyn(SYN);
          this.#timer.set(this.context.reactor.nowMs + GUEST_SYN_INTERVAL_MS);
        }
        return;
      case 'syn-received':
        this.#retransmissions++;
        if (this.#retransmissions > MAX_SYN_RETRANSMISSIONS) {
          this.abort();
          return;
        }
        this.#sendSyn(SYN | ACK);
        this.#timer.set(this.context.reactor.nowMs + this.#rtoMs * 2 ** this.#retransmissions);
        return;
      case 'time-wait':
        this.destroy();
        return;
      case 'open':
        if (this.#waitsForAnswer) this.#onRetransmissionTimer();
        else this.#onIdleTimer();
    }
  }

  #onRetransmissionTimer(): void {
    if (this.neighbour.link.full) {
      // Nothing is lost: the guest's end of the link doesn't read. Resumed when it does.
      this.#waitForLink();
      return;
    }
    this.waitsForLink = false;
    this.#retransmissions++;
    const alive = this.context.reactor.nowMs - this.#lastHeardMs < KEEPALIVE_IDLE_MS;
    if (this.#retransmissions > MAX_RETRANSMISSIONS && !(this.#sndWnd === 0 && alive)) {
      this.abort();
      return;
    }
    this.#timedAtMs = -1;
    if (this.#sndWnd === 0) {
      // Zero-window probe (RFC 9293 section 3.8.6.1): a byte beyond the window makes the guest tell its window.
      this.#toGuest.seek(0);
      if (this.#toGuest.length > 0) {
        this.#sendSegment(ACK, this.#sndUna, 1);
        if (this.#sndMax === this.#sndUna) this.#sndMax = (this.#sndUna + 1) | 0;
        this.#toGuest.seek(Math.min(this.#toGuest.length, (this.#sndNxt - this.#sndUna) | 0));
      } else if (this.#finSent) this.#sendSegment(FIN | ACK, this.#sndUna, 0);
      this.#setTimer();
      return;
    }
    // RFC 5681 section 3.1; all over again from the first byte that is not acknowledged.
    const inFlight = (this.#sndMax - this.#sndUna) | 0;
    this.#ssthresh = Math.max(Math.floor(inFlight / 2), 2 * this.#mss);
    this.#cwnd = 2 * this.#mss;
    this.#recovering = false;
    this.#duplicateAcks = 0;
    this.#sndNxt = this.#sndUna;
    this.#toGuest.seek(0);
    this.#output();
    this.#setTimer();
  }

  #onIdleTimer(): void {
    const dueMs = this.#lastHeardMs + KEEPALIVE_IDLE_MS;
    if (this.#probes === 0 && dueMs > this.context.reactor.nowMs) {
      this.#timer.set(dueMs);
      return;
    }
    if (this.#probes >= KEEPALIVE_PROBES) {
      this.abort();
      return;
    }
    this.#probes++;
    // RFC 9293 section 3.8.4: an old number makes the guest answer.
    this.context.sendControl(this, ACK, (this.#sndNxt - 1) | 0, this.#rcvNxt, this.#promiseWindow());
    this.#setTimer();
  }

  /** When both ways have ended and the guest knows, only a late FIN may still come. */
  #finishIfDone(): void {
    if (!this.#hostEnded || !this.#finAcked || this.phase !== 'open') return;
    this.#closeHost();
    this.phase = 'time-wait';
    this.#timer.set(this.context.reactor.nowMs + TIME_WAIT_MS);
  }
}
