import { allocatePinned } from '../../../native/pinned-buffer';
import { EAGAIN, SO_SNDBUF, SOL_SOCKET, sockets } from '../../../native/sockets';
import type { Reactor } from '../reactor/reactor';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet';
import type { FrameReceiver, Link, OutgoingFrame } from './link';
import { frameCount, writeFrames } from './segment';

/** How frames are told apart on a stream. */
export interface Framing {
  /** Bytes of the length in front of each frame. */
  readonly prefixBytes: 2 | 4;
  readonly littleEndian: boolean;
}

/** VPNKit's Ethernet socket after the hand-shake; also gvproxy's `hyperkit` protocol. */
export const VPNKIT_FRAMING: Framing = { prefixBytes: 2, littleEndian: true };
/** QEMU's `-netdev stream` and `socket` (net/stream.c): u32 in network order. */
export const QEMU_FRAMING: Framing = { prefixBytes: 4, littleEndian: false };

export interface StreamLinkOptions {
  readonly name: string;
  readonly framing: Framing;
  /** Frames above MTU + 14 are not sent and those that arrive longer are dropped. */
  readonly mtu: number;
}

/** A link whose reading can be stopped for a while: what is not read keeps the sender waiting. */
export interface StreamLink extends Link {
  /** No frame comes after the one that is being received. */
  pause(): void;
  resume(): void;
}

/** Longest frame of any peer: QEMU's NET_BUFSIZE. A longer length means that the stream is out of step. */
const MAX_FRAME_BYTES = 4096 + 65536;
const RECEIVE_BYTES = 512 * 1024;
const SEND_BYTES = 1024 * 1024;
/** Above this the link says that it is full; the rest of the room is for frames that can't wait. */
const FULL_BYTES = 512 * 1024;
/** Sent before the turn's end, so that the other end can work meanwhile. */
const EARLY_FLUSH_BYTES = 128 * 1024;
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
const READS_IN_A_ROW = 4;

/** Frames on a byte stream. Owns `fd` from now on. Incoming checksums are not trusted; outgoing frames are completed here. */
export function createStreamLink(
  reactor: Reactor,
  fd: number,
  options: StreamLinkOptions,
  receive: FrameReceiver,
): StreamLink {
  return new FramedStream(reactor, fd, options, receive);
}

class FramedStream implements StreamLink {
  readonly name: string;
  readonly #input = allocatePinned(RECEIVE_BYTES);
  #filled = 0;
  readonly #output = allocatePinned(SEND_BYTES);
  /** Bytes [sent, queued) of the output wait. */
  #sent = 0;
  #queued = 0;
  #writable = true;
  #open = true;
  #wasFull = false;
  #paused = false;
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: (() => void)[] = [];
  readonly #watch;
  readonly #endFlushing;
  readonly #prefix: (view: DataView, offset: number, bytes: number) => void;

  constructor(
    reactor: Reactor,
    private readonly fd: number,
    private readonly options: StreamLinkOptions,
    private readonly receive: FrameReceiver,
  ) {
    this.name = options.name;
    const { prefixBytes, littleEndian } = options.framing;
    this.#prefix =
      prefixBytes === 2
        ? (view, offset, bytes) => view.setUint16(offset, bytes, littleEndian)
        : (view, offset, bytes) => view.setUint32(offset, bytes, littleEndian);
    try {
      // As much as the host allows; a short buffer means more wake-ups.
      sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
    } catch {
      // Not a socket (a pipe in a test): its own size must do.
    }
    this.#watch = reactor.watch(fd, () => {
      this.#writable = true;
      this.#flush();
      this.#read();
    });
    this.#endFlushing = reactor.atTurnEnd(() => this.#flush());
  }

  get full(): boolean {
    return this.#queued - this.#sent > FULL_BYTES;
  }

  send(frame: OutgoingFrame): boolean {
    const { prefixBytes } = this.options.framing;
    const count = frameCount(frame);
    if (!this.#open) return false;
    const perFrame = count === 1 ? frame.payloadBytes : frame.segmentBytes;
    if (frame.headerBytes + perFrame > this.options.mtu + ETHERNET_HEADER_BYTES) return false;
    const room = count * (frame.headerBytes + prefixBytes) + frame.payloadBytes;
    if (this.#queued + room > SEND_BYTES && !this.#compact(room)) {
      this.#wasFull = true;
      return false;
    }
    const { bytes, view } = this.#output;
    this.#queued = writeFrames(frame, bytes, view, this.#queued, prefixBytes, this.#prefix);
    if (this.#queued - this.#sent > EARLY_FLUSH_BYTES) this.#write();
    if (this.full) this.#wasFull = true;
    return true;
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused || !this.#open) return;
    this.#paused = false;
    this.#watch.again();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watch.close();
    this.#endFlushing();
    sockets.close(this.fd);
    for (const listener of this.#closeListeners) listener();
  }

  #compact(room: number): boolean {
    const waiting = this.#queued - this.#sent;
    if (waiting + room > SEND_BYTES) return false;
    this.#output.bytes.copyWithin(0, this.#sent, this.#queued);
    this.#sent = 0;
    this.#queued = waiting;
    return true;
  }

  /** Writes what waits, and tells those who wait for room, who may leave more to write. */
  #flush(): void {
    this.#write();
    if (!this.#wasFull || this.full) return;
    this.#wasFull = false;
    for (const listener of this.#drainListeners) listener();
    this.#write();
  }

  #write(): void {
    while (this.#open && this.#writable && this.#sent < this.#queued) {
      const sent = sockets.send(this.fd, this.#output.address + this.#sent, this.#queued - this.#sent);
      if (sent > 0) this.#sent += sent;
      else if (sent === -EAGAIN) this.#writable = false;
      else this.close();
    }
    if (this.#sent === this.#queued) {
      this.#sent = 0;
      this.#queued = 0;
    }
  }

  #read(): void {
    // What a pause left behind.
    if (this.#filled > 0 && !this.#paused) this.#takeFrames();
    for (let reads = 0; reads < READS_IN_A_ROW; reads++) {
      if (!this.#open || this.#paused) return;
      const length = sockets.receive(this.fd, this.#input.address + this.#filled, RECEIVE_BYTES - this.#filled);
      if (length === -EAGAIN) return;
      if (length <= 0) {
        this.close();
        return;
      }
      this.#filled += length;
      this.#takeFrames();
    }
    if (this.#open) this.#watch.again();
  }

  #takeFrames(): void {
    const { view, bytes } = this.#input;
    const { prefixBytes, littleEndian } = this.options.framing;
    const longest = this.options.mtu + ETHERNET_HEADER_BYTES;
    let offset = 0;
    while (this.#open && !this.#paused && this.#filled - offset >= prefixBytes) {
      const length = prefixBytes === 2 ? view.getUint16(offset, littleEndian) : view.getUint32(offset, littleEndian);
      if (length > MAX_FRAME_BYTES) {
        this.close();
        return;
      }
      const end = offset + prefixBytes + length;
      if (end > this.#filled) break;
      if (length >= ETHERNET_HEADER_BYTES && length <= longest)
        this.receive(this.#input, offset + prefixBytes, end, false);
      offset = end;
    }
    bytes.copyWithin(0, offset, this.#filled);
    this.#filled -= offset;
  }
}
