import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import { EAGAIN, SO_SNDBUF, SOL_SOCKET, sockets } from '../../../native/sockets';
import type { Framing } from '../link/stream-link';
import type { Reactor, Watch } from '../reactor/reactor';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet';

const BUFFER_BYTES = 512 * 1024;
/** Longest frame of any peer: QEMU's NET_BUFSIZE. A longer length means that the stream is out of step. */
const MAX_FRAME_BYTES = 4096 + 65_536;
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
const ROUNDS_IN_A_ROW = 4;

/**
 * Carries frames between two streams that tell them apart in different ways. Loses none while both are there: who is
 * not read from waits. While there is no far side the near one's frames go nowhere, as with a cable unplugged.
 */
export class FrameRelay {
  readonly #near: Side;
  #far: Side | undefined;

  constructor(
    private readonly reactor: Reactor,
    nearFd: number,
    nearFraming: Framing,
    private readonly ends: {
      /** The near side is gone, and the relay closed. */
      readonly nearEnded: () => void;
      readonly farEnded: () => void;
    },
  ) {
    this.#near = this.#open(nearFd, nearFraming, () => {
      this.close();
      ends.nearEnded();
    });
  }

  /** Plugs in a far side; the relay owns the descriptor from now on. */
  plugFar(fd: number, framing: Framing): void {
    this.#far?.close();
    const far = this.#open(fd, framing, () => {
      this.#unplug(far);
      this.ends.farEnded();
    });
    this.#far = far;
  }

  close(): void {
    this.#near.close();
    this.#far?.close();
    this.#far = undefined;
  }

  #open(fd: number, framing: Framing, ended: () => void): Side {
    const side = new Side(this.reactor, fd, framing, () => {
      if (!this.#carry(side)) ended();
    });
    return side;
  }

  /** False when the side has come to its end. */
  #carry(side: Side): boolean {
    side.isReadable = true;
    side.isWritable = true;
    const peer = side === this.#near ? this.#far : this.#near;
    // What waits for this side's room, and what this side brings.
    for (let round = 0; round < ROUNDS_IN_A_ROW; round++) {
      const toSide = peer !== undefined && move(peer, side);
      const fromSide = move(side, peer);
      if (peer?.isOver === true) peer.watch.again();
      if (side.isOver) return false;
      if (!toSide && !fromSide) return true;
    }
    side.watch.again();
    return true;
  }

  /** A frame of which the near side has got a part stays whole: only whole frames were ever queued for it. */
  #unplug(far: Side): void {
    far.close();
    if (this.#far === far) this.#far = undefined;
    // It may have waited for the far side's room.
    this.#near.watch.again();
  }
}

class Side {
  readonly input: PinnedBuffer = allocatePinned(BUFFER_BYTES);
  filled = 0;
  readonly output: PinnedBuffer = allocatePinned(BUFFER_BYTES);
  sent = 0;
  queued = 0;
  isReadable = false;
  isWritable = false;
  isOver = false;
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
function move(from: Side, to: Side | undefined): boolean {
  // First of all, as it makes room: who finds none afterwards is woken when there is.
  to?.write();
  const hasRead = from.read();
  const filled = from.filled;
  takeFrames(from, to);
  to?.write();
  return hasRead || from.filled !== filled;
}

function takeFrames(from: Side, to: Side | undefined): void {
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
    if (to !== undefined && length >= ETHERNET_HEADER_BYTES && fits(length, to.framing)) {
      if (!to.hasRoom(to.framing.prefixBytes + length)) break;
      to.queue(from.input, offset + prefixBytes, length);
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
