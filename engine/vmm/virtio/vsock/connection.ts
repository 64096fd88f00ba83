import { EAGAIN, EPOLLERR, EPOLLHUP, EPOLLOUT, sockets } from '../../../../native/sockets';
import type { Reactor } from '../../../net/reactor/reactor';
import type { GuestMemory } from '../../memory/guest-memory';
import type { DescriptorChain, Segment } from '../virtqueue';
import {
  type GuestPacket,
  OP,
  SHUTDOWN_BOTH,
  VIRTIO_VSOCK_SHUTDOWN_RCV,
  VIRTIO_VSOCK_SHUTDOWN_SEND,
  VSOCK_HEADER_BYTES,
  type VsockEnds,
} from './packet';
import { WaitingBytes } from './waiting-bytes';

/** HyperKit's: bytes of the guest that may wait for the host's program. */
export const BUFFER_BYTES = 128 * 1024;
/** How long a guest may take to answer a request. */
const REQUEST_MS = 10_000;
/** HyperKit's: how long the other side may take after one that is through with the connection. */
const FAREWELL_MS = 30_000;

/** What a connection wants to tell the guest besides its bytes. */
const SAY_REQUEST = 1;
const SAY_RESPONSE = 2;
const SAY_CREDIT_UPDATE = 4;
const SAY_CREDIT_REQUEST = 8;
const SAY_SHUTDOWN = 16;

/** What a connection asks of its device. */
export interface ConnectionOwner {
  readonly reactor: Reactor;
  /** It has something for the guest: `nextPacket` is to be called. */
  hasNews(connection: VsockConnection): void;
  /** It has ended, and its socket is closed. The guest gets a reset unless it sent one itself. */
  ended(connection: VsockConnection, reset: boolean): void;
}

/** A packet for the guest, whose payload is in its chain already. */
export interface NextPacket {
  readonly op: number;
  readonly length: number;
  readonly flags: number;
}

/**
 * A stream between a port of the guest and a unix socket of the host. Neither side is read from faster than the other
 * reads: the guest gets what it has room for (its credit), and promises to send no more than we keep.
 */
export class VsockConnection implements VsockEnds {
  #phase: 'requested' | 'open' | 'closed';
  #say = 0;
  // From the guest to the host.
  readonly #waiting = new WaitingBytes(BUFFER_BYTES);
  #writable = true;
  /** All three count modulo 2^32. */
  #received = 0;
  #forwarded = 0;
  #toldForwarded = 0;
  /** What the guest will do no more. */
  #guestShut = 0;
  #hostDeaf = false;
  #endedWriting = false;
  // From the host to the guest.
  #readable = true;
  #hostDone = false;
  #hungUp = false;
  #sent = 0;
  #guestRoom = 0;
  #guestForwarded = 0;
  #askedForCredit = false;
  #toldShut = 0;
  readonly #watch;
  readonly #deadline;

  /** @param request the guest's; undefined: the host opens the connection. */
  constructor(
    private readonly owner: ConnectionOwner,
    private readonly fd: number,
    readonly guestPort: number,
    readonly hostPort: number,
    request: GuestPacket | undefined,
  ) {
    this.#phase = request === undefined ? 'requested' : 'open';
    this.#watch = owner.reactor.watch(fd, (events) => this.#onHost(events));
    this.#deadline = owner.reactor.timer(() => this.end());
    if (request !== undefined) this.#takeCredit(request);
    else this.#deadline.set(owner.reactor.nowMs + REQUEST_MS);
    this.#tell(request === undefined ? SAY_REQUEST : SAY_RESPONSE);
  }

  /** Bytes ever delivered to the host, for the header. */
  get fwdCnt(): number {
    return this.#forwarded;
  }

  // ---- from the guest

  /** A packet of the guest; its payload lies in `payload`, `packet.length` bytes in all. */
  receive(packet: GuestPacket, memory: GuestMemory, payload: readonly Segment[]): void {
    if (this.#phase === 'closed') return;
    this.#takeCredit(packet);
    switch (packet.op) {
      case OP.RESPONSE:
        this.#takeResponse();
        return;
      case OP.RST:
        this.end(false);
        return;
      case OP.RW:
        this.#takeBytes(packet.length, memory, payload);
        return;
      case OP.SHUTDOWN:
        this.#guestShut |= packet.flags & SHUTDOWN_BOTH;
        // The host's program learns with its next write.
        if ((this.#guestShut & VIRTIO_VSOCK_SHUTDOWN_RCV) !== 0) sockets.endReading(this.fd);
        this.#settle();
        return;
      case OP.CREDIT_REQUEST:
        this.#tell(SAY_CREDIT_UPDATE);
        return;
      case OP.CREDIT_UPDATE:
        this.#tell(0);
        return;
      default:
        this.end();
    }
  }

  #takeResponse(): void {
    if (this.#phase !== 'requested') {
      this.end();
      return;
    }
    this.#phase = 'open';
    this.#deadline.clear();
    this.#tell(0);
  }

  #takeCredit({ bufAlloc, fwdCnt }: GuestPacket): void {
    this.#guestRoom = bufAlloc;
    this.#guestForwarded = fwdCnt;
    this.#askedForCredit = false;
  }

  #takeBytes(length: number, memory: GuestMemory, payload: readonly Segment[]): void {
    const kept = (this.#received - this.#forwarded) >>> 0;
    const mayNot = this.#phase !== 'open' || (this.#guestShut & VIRTIO_VSOCK_SHUTDOWN_SEND) !== 0;
    if (mayNot || kept + length > BUFFER_BYTES) {
      this.end();
      return;
    }
    this.#received = (this.#received + length) >>> 0;
    if (this.#hostDeaf) {
      this.#forward(length);
      return;
    }
    for (const { address, length: bytes } of payload) {
      const taken = this.#waiting.length === 0 ? this.#send(memory.hostPointer(address, bytes), bytes) : 0;
      if (taken < bytes && this.#hostDeaf) this.#forward(bytes - taken);
      else if (taken < bytes) this.#waiting.append(memory.slice(address + taken, bytes - taken));
    }
    if (this.#hostDeaf) this.#settle();
  }

  /** Bytes that the socket took. */
  #send(address: number, length: number): number {
    if (!this.#writable) return 0;
    const sent = sockets.send(this.fd, address, length);
    if (sent === -EAGAIN) {
      this.#writable = false;
      return 0;
    }
    if (sent < 0) {
      this.#hostDeaf = true;
      return 0;
    }
    if (sent < length) this.#writable = false;
    this.#forward(sent);
    return sent;
  }

  /** Bytes have left our room. */
  #forward(count: number): void {
    this.#forwarded = (this.#forwarded + count) >>> 0;
    if ((this.#forwarded - this.#toldForwarded) >>> 0 >= BUFFER_BYTES / 2) this.#tell(SAY_CREDIT_UPDATE);
  }

  // ---- from the host

  #onHost(events: number): void {
    if ((events & (EPOLLHUP | EPOLLERR)) !== 0) this.#hungUp = true;
    if ((events & EPOLLOUT) !== 0) this.#writable = true;
    this.#readable = true;
    while (this.#waiting.length > 0 && this.#writable && !this.#hostDeaf) {
      this.#waiting.drop(this.#send(this.#waiting.address, this.#waiting.length));
    }
    this.#settle();
    this.#tell(0);
  }

  /** Does what the state of both sides asks for. */
  #settle(): void {
    if (this.#phase === 'closed') return;
    if (this.#hostDeaf && this.#waiting.length > 0) {
      const lost = this.#waiting.length;
      this.#waiting.drop(lost);
      this.#forward(lost);
    }
    const shut = this.#guestShut;
    if (shut === SHUTDOWN_BOTH && this.#waiting.length === 0) {
      this.end();
      return;
    }
    if (!this.#endedWriting && (shut & VIRTIO_VSOCK_SHUTDOWN_SEND) !== 0 && this.#waiting.length === 0) {
      this.#endedWriting = true;
      sockets.endWriting(this.fd);
    }
    if ((this.#hostShut & ~this.#toldShut) !== 0) this.#tell(SAY_SHUTDOWN);
    if ((shut === SHUTDOWN_BOTH || this.#hostShut === SHUTDOWN_BOTH) && !this.#deadline.pending) {
      this.#deadline.set(this.owner.reactor.nowMs + FAREWELL_MS);
    }
  }

  /** What the host's program will do no more. One that only sends no more may be told things for as long as it likes. */
  get #hostShut(): number {
    // Who has closed altogether may have left bytes to read.
    const deaf = this.#hostDeaf || (this.#hungUp && this.#hostDone);
    return (deaf ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0) | (this.#hostDone ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0);
  }

  // ---- to the guest

  /** The next packet, whose payload goes into the chain behind a header; undefined: there is none for now. */
  nextPacket(memory: GuestMemory, chain: DescriptorChain): NextPacket | undefined {
    if (this.#phase === 'closed') return undefined;
    if (this.#isSaying(SAY_REQUEST)) return this.#packet(OP.REQUEST);
    if (this.#phase !== 'open') return undefined;
    if (this.#isSaying(SAY_RESPONSE)) return this.#packet(OP.RESPONSE);
    const length = this.#readHost(memory, chain);
    if (length > 0) return this.#packet(OP.RW, length);
    if (this.#isClosed) return undefined;
    if (this.#isSaying(SAY_SHUTDOWN)) {
      this.#toldShut |= this.#hostShut;
      return this.#packet(OP.SHUTDOWN, 0, this.#toldShut);
    }
    if (this.#isSaying(SAY_CREDIT_UPDATE)) return this.#packet(OP.CREDIT_UPDATE);
    if (this.#isSaying(SAY_CREDIT_REQUEST)) return this.#packet(OP.CREDIT_REQUEST);
    return undefined;
  }

  /** Bytes read into the chain behind the header. */
  #readHost(memory: GuestMemory, { writable }: DescriptorChain): number {
    if (!this.#readable || this.#hostDone || (this.#guestShut & VIRTIO_VSOCK_SHUTDOWN_RCV) !== 0) return 0;
    let room = this.#credit();
    if (room === 0) {
      // Many drivers tell of room only when it is nearly used up, or when they are asked.
      if (!this.#askedForCredit) this.#say |= SAY_CREDIT_REQUEST;
      this.#askedForCredit = true;
      return 0;
    }
    let skip = VSOCK_HEADER_BYTES;
    let total = 0;
    for (const { address, length } of writable) {
      const before = Math.min(skip, length);
      skip -= before;
      const wanted = Math.min(length - before, room);
      if (wanted === 0) continue;
      const got = sockets.receive(this.fd, memory.hostPointer(address + before, wanted), wanted);
      if (got <= 0) {
        this.#readable = false;
        if (got !== -EAGAIN) {
          if (got < 0) this.#hungUp = true;
          this.#hostDone = true;
          this.#settle();
        }
        break;
      }
      total += got;
      room -= got;
      if (got < wanted) break;
    }
    this.#sent = (this.#sent + total) >>> 0;
    return total;
  }

  /** Bytes that the guest has room for; none when it contradicts itself. */
  #credit(): number {
    const inFlight = (this.#sent - this.#guestForwarded) >>> 0;
    return Math.max(0, this.#guestRoom - inFlight);
  }

  #packet(op: number, length = 0, flags = 0): NextPacket {
    this.#toldForwarded = this.#forwarded;
    this.#say &= ~SAY_CREDIT_UPDATE;
    return { op, length, flags };
  }

  /** Reading may have ended it. */
  get #isClosed(): boolean {
    return this.#phase === 'closed';
  }

  #isSaying(what: number): boolean {
    if ((this.#say & what) === 0) return false;
    this.#say &= ~what;
    return true;
  }

  #tell(what: number): void {
    this.#say |= what;
    this.owner.hasNews(this);
  }

  // ---- the end

  /** Closes the socket; the guest gets a reset, which after a shutdown of both sides only confirms it. */
  end(reset = true): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#deadline.clear();
    this.#watch.close();
    sockets.close(this.fd);
    this.#waiting.drop(this.#waiting.length);
    this.owner.ended(this, reset);
  }
}
