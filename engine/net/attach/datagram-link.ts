import { allocatePinned } from '../../../native/pinned-buffer';
import { EAGAIN, sockets } from '../../../native/sockets';
import type { Link, OutgoingFrame } from '../link/link';
import { frameCount, writeFrames } from '../link/segment';
import type { Reactor } from '../reactor/reactor';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet';

const BUFFER_BYTES = 1024 * 1024;
/** Above this the link says that it is full; the rest of the room is for frames that can't wait. */
const FULL_BYTES = 512 * 1024;
/**
 * The kernel tells when our own buffer has room, but not when the queue of a peer has that is not connected to us
 * (unix(7)): then it is tried again after a moment.
 */
const RETRY_MS = 2;
const EMSGSIZE = 90;

export interface DatagramLinkOptions {
  readonly name: string;
  readonly mtu: number;
  /** Where frames go: a socket address as the kernel has it. */
  readonly peer: Buffer;
}

/** Frames to one peer of a datagram socket, which others read from and close. */
export class DatagramLink implements Link {
  readonly name: string;
  readonly #fd: number;
  readonly #mtu: number;
  readonly #peer = allocatePinned(128);
  readonly #peerBytes: number;
  readonly #output = allocatePinned(BUFFER_BYTES);
  /** Lengths of the frames in bytes [sent, queued) of the output. */
  readonly #lengths: number[] = [];
  #next = 0;
  #sent = 0;
  #queued = 0;
  #isBlocked = false;
  #wasFull = false;
  #isOpen = true;
  readonly #endFlushing: () => void;
  readonly #retry;
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: (() => void)[] = [];

  constructor(
    private readonly reactor: Reactor,
    fd: number,
    options: DatagramLinkOptions,
  ) {
    this.name = options.name;
    this.#fd = fd;
    this.#mtu = options.mtu;
    this.#peerBytes = options.peer.copy(this.#peer.bytes);
    this.#endFlushing = reactor.atTurnEnd(() => this.#flush());
    this.#retry = reactor.timer(() => this.unblock());
  }

  get full(): boolean {
    return this.#queued - this.#sent > FULL_BYTES;
  }

  send(frame: OutgoingFrame): boolean {
    if (!this.#isOpen) return false;
    const count = frameCount(frame);
    const perFrame = count === 1 ? frame.payloadBytes : frame.segmentBytes;
    if (frame.headerBytes + perFrame > this.#mtu + ETHERNET_HEADER_BYTES) return false;
    if (!this.#makeRoom(count * frame.headerBytes + frame.payloadBytes)) {
      this.#wasFull = true;
      return false;
    }
    const { bytes, view } = this.#output;
    this.#queued = writeFrames(frame, bytes, view, this.#queued, 0, this.#note);
    if (this.full) this.#wasFull = true;
    return true;
  }

  readonly #note = (_view: DataView, _offset: number, frameBytes: number): void => void this.#lengths.push(frameBytes);

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** The socket may have room again. */
  unblock(): void {
    this.#isBlocked = false;
    this.#flush();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#retry.clear();
    this.#endFlushing();
    for (const listener of this.#closeListeners) listener();
  }

  #makeRoom(bytes: number): boolean {
    if (this.#queued + bytes <= BUFFER_BYTES) return true;
    this.#output.bytes.copyWithin(0, this.#sent, this.#queued);
    this.#queued -= this.#sent;
    this.#sent = 0;
    return this.#queued + bytes <= BUFFER_BYTES;
  }

  #flush(): void {
    while (this.#isOpen && !this.#isBlocked && this.#next < this.#lengths.length) {
      const length = this.#lengths[this.#next] ?? 0;
      const from = this.#output.address + this.#sent;
      const result = sockets.sendToPrepared(this.#fd, from, length, this.#peer.address, this.#peerBytes);
      if (result === -EAGAIN) {
        this.#isBlocked = true;
        this.#retry.set(this.reactor.nowMs + RETRY_MS);
      } else if (result >= 0 || result === -EMSGSIZE) {
        this.#next++;
        this.#sent += length;
      } else this.close();
    }
    if (this.#next === this.#lengths.length && this.#next > 0) {
      this.#lengths.length = 0;
      this.#next = 0;
      this.#sent = 0;
      this.#queued = 0;
    }
    if (this.#wasFull && !this.full) {
      this.#wasFull = false;
      for (const listener of this.#drainListeners) listener();
    }
  }
}
