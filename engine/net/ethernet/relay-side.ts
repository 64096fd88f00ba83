import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import { EAGAIN, SO_SNDBUF, SOL_SOCKET, sockets } from '../../../native/sockets';
import type { OutgoingFrame } from '../link/link';
import { frameCount, writeFrames } from '../link/segment';
import type { Framing } from '../link/stream-link';
import type { Reactor, Watch } from '../reactor/reactor';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet';

const BUFFER_BYTES = 512 * 1024;
/** Above this a side has no room for who can wait. */
const FULL_BYTES = BUFFER_BYTES / 2;
/** Longest frame of any peer: QEMU's NET_BUFSIZE. A longer length means that the stream is out of step. */
const MAX_FRAME_BYTES = 4096 + 65_536;
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/** Sees a frame before it is carried; true: it has taken it. The bytes are only valid during the call. */
export type FrameFilter = (buffer: PinnedBuffer, start: number, end: number) => boolean;

/** One stream of a relay, with what was read from it and what waits to be written. */
export class RelaySide {
  readonly input: PinnedBuffer = allocatePinned(BUFFER_BYTES);
  filled = 0;
  readonly output: PinnedBuffer = allocatePinned(BUFFER_BYTES);
  sent = 0;
  queued = 0;
  isReadable = false;
  isWritable = false;
  isOver = false;
  /** Sees each frame that comes from here. */
  filter: FrameFilter | undefined;
  readonly watch: Watch;
  #isOpen = true;

  constructor(
    reactor: Reactor,
    readonly fd: number,
    readonly framing: Framing,
    ready: () => void,
  ) {
    try {
      sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
    } catch {
      // Its own size must do.
    }
    this.watch = reactor.watch(fd, ready);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.isOver = true;
    this.watch.close();
    sockets.close(this.fd);
  }

  read(): boolean {
    if (!this.isReadable || this.isOver || this.filled === BUFFER_BYTES) return false;
    const length = sockets.receive(this.fd, this.input.address + this.filled, BUFFER_BYTES - this.filled);
    if (length > 0) this.filled += length;
    else if (length === -EAGAIN) this.isReadable = false;
    else this.isOver = true;
    return length > 0;
  }

  write(): void {
    while (this.isWritable && !this.isOver && this.sent < this.queued) {
      const length = sockets.send(this.fd, this.output.address + this.sent, this.queued - this.sent);
      if (length > 0) this.sent += length;
      else if (length === -EAGAIN) this.isWritable = false;
      else this.isOver = true;
    }
    if (this.sent === this.queued) {
      this.sent = 0;
      this.queued = 0;
    }
  }

  hasRoom(bytes: number): boolean {
    if (this.queued + bytes <= BUFFER_BYTES) return true;
    this.output.bytes.copyWithin(0, this.sent, this.queued);
    this.queued -= this.sent;
    this.sent = 0;
    return this.queued + bytes <= BUFFER_BYTES;
  }

  get isFull(): boolean {
    return this.queued - this.sent > FULL_BYTES;
  }

  /** Queues what a sender of this process has made; false: there is no room. */
  queueOutgoing(frame: OutgoingFrame): boolean {
    const { prefixBytes, littleEndian } = this.framing;
    if (!this.hasRoom(frameCount(frame) * (frame.headerBytes + prefixBytes) + frame.payloadBytes)) return false;
    const { bytes, view } = this.output;
    this.queued = writeFrames(frame, bytes, view, this.queued, prefixBytes, (target, offset, length) => {
      if (prefixBytes === 2) target.setUint16(offset, length, littleEndian);
      else target.setUint32(offset, length, littleEndian);
    });
    return true;
  }

  /** Takes frames out of `from`'s input, starting at `start`; the caller has looked at the room. */
  queue(from: PinnedBuffer, start: number, length: number): void {
    const { prefixBytes, littleEndian } = this.framing;
    const { view, bytes } = this.output;
    if (prefixBytes === 2) view.setUint16(this.queued, length, littleEndian);
    else view.setUint32(this.queued, length, littleEndian);
    from.bytes.copy(bytes, this.queued + prefixBytes, start, start + length);
    this.queued += prefixBytes + length;
  }
}

/** Carries what there is from one side to the other; whether there may be more. */
export function moveFrames(from: RelaySide, to: RelaySide | undefined): boolean {
  // First of all, as it makes room: who finds none afterwards is woken when there is.
  to?.write();
  const hasRead = from.read();
  const filled = from.filled;
  takeFrames(from, to);
  to?.write();
  return hasRead || from.filled !== filled;
}

function takeFrames(from: RelaySide, to: RelaySide | undefined): void {
  const { prefixBytes, littleEndian } = from.framing;
  const { view, bytes } = from.input;
  let offset = 0;
  while (from.filled - offset >= prefixBytes) {
    const length = prefixBytes === 2 ? view.getUint16(offset, littleEndian) : view.getUint32(offset, littleEndian);
    if (length > MAX_FRAME_BYTES) {
      from.isOver = true;
      return;
    }
    const end = offset + prefixBytes + length;
    if (end > from.filled) break;
    const start = offset + prefixBytes;
    if (length >= ETHERNET_HEADER_BYTES && from.filter?.(from.input, start, end) !== true) {
      if (to !== undefined && fits(length, to.framing)) {
        if (!to.hasRoom(to.framing.prefixBytes + length)) break;
        to.queue(from.input, start, length);
      }
    }
    offset = end;
  }
  if (offset === 0) return;
  bytes.copyWithin(0, offset, from.filled);
  from.filled -= offset;
}

function fits(length: number, { prefixBytes }: Framing): boolean {
  return prefixBytes === 4 || length <= 0xffff;
}
