import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { EPOLLERR, EPOLLIN, EPOLLOUT } from '../../../native/sockets';
import type { Neighbour } from '../gateway/neighbours';
import type { Timer } from '../reactor/timer-heap';
import { HostSocket } from './host-socket';
import { Keepalive } from './keepalive';
import { Receiver } from './receiver';
import { ACK, FIN, RST, SYN, type SynOptions } from './segment-header';
import { Sender } from './sender';
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

const RECEIVES_IN_A_ROW = 16;
const MAX_SYN_RETRANSMISSIONS = 5;
/** A guest is a wire away, and may be booting: it is asked often, for as long as a client's own patience may last. */
const GUEST_SYN_INTERVAL_MS = 250;
const GUEST_SYN_DEADLINE_MS = 60_000;
/** Shorter than 2 MSL on purpose: the way to the guest has no old duplicates. */
const TIME_WAIT_MS = 2000;

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

  readonly #host: HostSocket;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  /** Whether the guest wants to know what came early (RFC 2018). */
  #sack = false;

  readonly #timer: Timer;
  /** The timer waits for an acknowledgment; otherwise it watches over silence. */
  #timesAnswer = false;
  readonly #keepalive: Keepalive;
  #synRetransmissions = 0;

  constructor(
    private readonly context: TcpContext,
    readonly ends: TcpEnds,
    readonly neighbour: Neighbour,
    fd: number,
    readonly hash: number,
    phase: 'connecting' | 'syn-sent',
  ) {
    const { reactor, pool } = context;
    this.phase = phase;
    this.#host = new HostSocket(pool, fd);
    this.#receiver = new Receiver(pool, this.#host);
    this.#sender = new Sender(context, neighbour, context.initialSequence(), (flags, sequence, length) =>
      this.#sendSegment(flags, sequence, length),
    );
    this.#timer = reactor.timer(() => this.#onTimer());
    this.openedMs = reactor.nowMs;
    this.#keepalive = new Keepalive(this.openedMs);
  }

  get acknowledged(): number {
    return this.#receiver.window.next;
  }

  get bytesFromGuest(): number {
    return this.#receiver.bytes;
  }

  get bytesToGuest(): number {
    return this.#sender.bytesSent;
  }

  /** Begins a connection that the guest opened with this SYN; the host's connect is under way or done. */
  openFromGuest(sequence: number, options: SynOptions): void {
    this.#receiver.window.begin(sequence);
    this.#takeOptions(options);
    this.#watchHost();
  }

  /** Begins a connection to the guest on behalf of an accepted host socket. */
  openToGuest(): void {
    this.#receiver.window.scaling = true;
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
    this.#keepalive.hear(this.context.reactor.nowMs);
    switch (this.phase) {
      case 'connecting':
        if ((flags & RST) !== 0 && sequence === this.#receiver.window.next) this.destroy();
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

  promiseWindow(): number {
    return this.#receiver.promise();
  }

  /** Takes up again what stopped because the link was full. */
  resume(): void {
    this.waitsForLink = false;
    this.#output();
    this.#readHost();
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
    if (this.phase === 'connecting') this.context.refuse(this.ends, this.neighbour, this.#receiver.window.next);
    else this.#sendControl(RST | ACK);
    this.#host.resetOnClose();
    this.destroy();
  }

  /** Forgets the connection without a word to the guest. */
  destroy(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.#answer(false);
    this.#timer.clear();
    this.#host.close();
    this.#receiver.close();
    this.#sender.close();
    this.context.forget(this);
  }

  #takeOptions(options: SynOptions): void {
    this.#sack = options.sack;
    this.#receiver.window.scaling = options.windowScale >= 0;
    this.#sender.takeOptions(options, this.context.mssFor(this.ends.guest));
  }

  // ---- the host's socket

  #watchHost(): void {
    this.#host.watch(this.context.reactor, (events) => this.#onHost(events));
  }

  #onHost(events: number): void {
    if (this.phase === 'connecting') {
      this.#finishConnect(events);
      return;
    }
    if (this.phase === 'closed' || this.phase === 'time-wait') return;
    if ((events & EPOLLERR) !== 0 && this.#host.takeError()) {
      this.abort();
      return;
    }
    if ((events & EPOLLOUT) !== 0) {
      this.#host.writable = true;
      if (this.#host.queued > 0) this.#flushToHost();
    }
    if ((events & ~EPOLLOUT) !== 0) this.#host.readable = true;
    this.#readHost();
  }

  #finishConnect(events: number): void {
    if ((events & ~EPOLLIN) === 0) return;
    if (this.#host.takeError()) {
      this.abort();
      return;
    }
    this.phase = 'syn-received';
    this.#host.writable = true;
    this.#host.readable = true;
    this.#sendSyn(SYN | ACK);
    this.#timer.set(this.context.reactor.nowMs + this.#sender.timeoutMs);
  }

  /** Reads as much as the guest has room for, no more: what is not read keeps the host's peer waiting, as it should. */
  #readHost(): void {
    const sender = this.#sender;
    if (sender.ending) return;
    for (let round = 0; this.#host.readable; round++) {
      if (this.phase !== 'open') return;
      if (round === RECEIVES_IN_A_ROW) {
        this.#host.again();
        return;
      }
      const { room } = sender;
      if (room <= 0 || this.waitsForLink) return;
      switch (this.#host.readTo(sender.queue, sender.portionOf(room))) {
        case 'nothing':
          return;
        case 'no-memory':
          this.context.waitForMemory(this);
          return;
        case 'broken':
          this.abort();
          return;
        case 'end':
          sender.end();
          break;
        case 'bytes':
      }
      this.#output();
    }
  }

  #flushToHost(): void {
    if (!this.#host.flush()) {
      this.abort();
      return;
    }
    if (this.#receiver.isComplete) this.#endHost();
    if (this.#receiver.hasNews(this.#sender.mss)) this.#acknowledge();
  }

  #endHost(): void {
    if (this.#host.ended) return;
    this.#host.endWriting();
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
    const acceptable = (flags & ACK) !== 0 && acknowledged === this.#sender.next;
    if ((flags & RST) !== 0) {
      if (acceptable) this.#resetByGuest();
      return;
    }
    if ((flags & ACK) !== 0 && !acceptable) {
      // The guest still has a connection of these ports; this ends it (RFC 9293 section 3.5.2), and the next SYN is heard.
      this.context.resetUnknown(this.ends, this.neighbour, acknowledged);
      return;
    }
    if ((flags & SYN) === 0 || !acceptable || options === undefined) return;
    this.#receiver.window.begin(sequence);
    this.#takeOptions(options);
    this.#becomeOpen(sequence, acknowledged, window);
    this.#acknowledge();
  }

  #answer(open: boolean): void {
    const tell = this.onAnswer;
    this.onAnswer = undefined;
    tell?.(open);
  }

  /** `window` is in bytes. */
  #becomeOpen(sequence: number, acknowledged: number, window: number): void {
    this.phase = 'open';
    this.#answer(true);
    this.#sender.open(sequence, acknowledged, window);
    this.#host.writable = true;
    this.#host.readable = true;
    this.#setTimer();
    this.#readHost();
  }

  #resetByGuest(): void {
    this.#host.resetOnClose();
    this.destroy();
  }

  #receiveInOrder(
    flags: number,
    sequence: number,
    acknowledged: number,
    windowField: number,
    buffer: PinnedBuffer,
    start: number,
    end: number,
  ): void {
    const sender = this.#sender;
    const receiving = this.#receiver.window;
    const ahead = (sequence - receiving.next) | 0;
    if ((flags & RST) !== 0) {
      // RFC 5961 section 3.2: only the very next number resets; others in the window are asked again.
      if (ahead === 0) this.#resetByGuest();
      else if (ahead > 0 && ahead < Math.max(receiving.promised, 1)) this.#acknowledge();
      return;
    }
    if ((flags & SYN) !== 0) {
      // Our SYN-ACK got lost, or RFC 5961 section 4.2.
      if (this.phase === 'syn-received' && ahead === -1) this.#sendSyn(SYN | ACK);
      else this.#acknowledge();
      return;
    }
    if ((flags & ACK) === 0) return;
    const length = end - start + ((flags & FIN) !== 0 ? 1 : 0);
    if (!receiving.accepts(ahead, length)) {
      this.#acknowledge();
      // A keepalive or an old duplicate may still acknowledge something.
      if (ahead > 0 || this.phase !== 'open') return;
    }
    const window = windowField << sender.scale;
    if (this.phase === 'syn-received') {
      if (acknowledged !== sender.next) {
        this.context.resetUnknown(this.ends, this.neighbour, acknowledged);
        return;
      }
      this.#becomeOpen(sequence, acknowledged, window);
    } else if (sender.isBeyond(acknowledged)) {
      this.#acknowledge();
      return;
    } else if (sender.acknowledge(sequence, acknowledged, window, end > start)) {
      this.#finishIfDone();
      this.#setTimer();
    }
    if (this.phase !== 'open' && this.phase !== 'time-wait') return;
    if (length > 0) this.#takeData(ahead, (flags & FIN) !== 0, buffer, start, end);
    this.#output();
    this.#readHost();
  }

  #takeData(ahead: number, fin: boolean, buffer: PinnedBuffer, start: number, end: number): void {
    switch (this.#receiver.take(ahead, fin, buffer, start, end)) {
      case 'broken':
        this.abort();
        return;
      case 'early':
        // What is missing is asked for by what we acknowledge. At once, because the sender counts duplicates.
        this.#sendControl(ACK);
        return;
      case 'in-order':
        if (this.#receiver.isComplete) this.#endHost();
        this.#acknowledge();
    }
  }

  // ---- segments to the guest

  #output(): void {
    if (this.phase !== 'open') return;
    const sender = this.#sender;
    const wasIdle = sender.isIdle;
    if (!sender.output()) {
      if (!this.#isClosed) this.#waitForLink();
      return;
    }
    // RFC 6298 section 5: what is sent later does not make the first of it any younger.
    const begins = wasIdle && !sender.isIdle;
    if (begins || !this.#timer.pending || this.#timesAnswer !== sender.waitsForAnswer) this.#setTimer();
  }

  /** As a getter, because others change the phase behind the compiler's back. */
  get #isClosed(): boolean {
    return this.phase === 'closed';
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

  #sendSyn(flags: number): void {
    const { window } = this.#receiver;
    this.context.sendSyn(this, flags, this.#sender.initial, window.promiseInSyn(), window.scale, this.#sack);
    this.#sender.begin();
  }

  #sendControl(flags: number): void {
    this.#sendSegment(flags, this.#sender.next, 0);
  }

  #sendSegment(flags: number, sequence: number, length: number): boolean {
    if (length === 0) {
      const early = this.#sack && flags === ACK ? this.#receiver.early : undefined;
      return this.context.sendControl(this, flags, sequence, early);
    }
    const { queue, mss } = this.#sender;
    const sent = this.context.sendData(this, flags, sequence, queue.cursorBuffer, queue.cursorStart, length, mss);
    if (sent) this.ackDue = false;
    return sent;
  }

  // ---- time

  #setTimer(): void {
    if (this.phase === 'time-wait' || this.phase === 'closed') return;
    const now = this.context.reactor.nowMs;
    this.#timesAnswer = this.#sender.waitsForAnswer;
    this.#timer.set(this.#timesAnswer ? now + this.#sender.timeoutMs : this.#keepalive.nextMs(now));
  }

  #onTimer(): void {
    switch (this.phase) {
      case 'connecting': // The host's kernel has its own time-out for a connect.
      case 'closed':
        return;
      case 'syn-sent':
        this.#askGuestAgain();
        return;
      case 'syn-received':
        this.#answerGuestAgain();
        return;
      case 'time-wait':
        this.destroy();
        return;
      case 'open':
        if (this.#sender.waitsForAnswer) this.#onRetransmissionTimer();
        else this.#onIdleTimer();
    }
  }

  #askGuestAgain(): void {
    const now = this.context.reactor.nowMs;
    if (now - this.openedMs > GUEST_SYN_DEADLINE_MS) {
      this.abort();
      return;
    }
    if (this.neighbour.present) this.#sendSyn(SYN);
    this.#timer.set(now + GUEST_SYN_INTERVAL_MS);
  }

  #answerGuestAgain(): void {
    this.#synRetransmissions++;
    if (this.#synRetransmissions > MAX_SYN_RETRANSMISSIONS) {
      this.abort();
      return;
    }
    this.#sendSyn(SYN | ACK);
    this.#timer.set(this.context.reactor.nowMs + this.#sender.timeoutMs * 2 ** this.#synRetransmissions);
  }

  #onRetransmissionTimer(): void {
    if (this.neighbour.link.full) {
      // Nothing is lost: the guest's end of the link doesn't read. Resumed when it does.
      this.#waitForLink();
      return;
    }
    this.waitsForLink = false;
    switch (this.#sender.timeOut(this.#keepalive.isAlive(this.context.reactor.nowMs))) {
      case 'give-up':
        this.abort();
        return;
      case 'back':
        this.#output();
        break;
      case 'probed':
    }
    this.#setTimer();
  }

  #onIdleTimer(): void {
    const next = this.#keepalive.look(this.context.reactor.nowMs);
    if (next === 'give-up') this.abort();
    else if (next === 'ask') {
      // RFC 9293 section 3.8.4: an old number makes the guest answer.
      this.context.sendControl(this, ACK, (this.#sender.next - 1) | 0);
      this.#setTimer();
    } else this.#timer.set(next);
  }

  /** When both ways have ended and the guest knows, only a late FIN may still come. */
  #finishIfDone(): void {
    if (!this.#host.ended || !this.#sender.finAcked || this.phase !== 'open') return;
    this.#host.close();
    this.phase = 'time-wait';
    this.#timer.set(this.context.reactor.nowMs + TIME_WAIT_MS);
  }
}
