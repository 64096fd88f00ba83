import { IOVEC_BYTES, MMSGHDR_BYTES, writeMessageHeader, writeVector } from '../../../native/message-header';
import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import { EAGAIN, SOL_UDP, sockets, UDP_SEGMENT } from '../../../native/sockets';

/** Of one call: an IPv4 packet less its headers and UDP's. */
const BATCH_BYTES = 65_507;
/** UDP_MAX_SEGMENTS of the kernels that have the fewest (linux/udp.h). */
const MAX_DATAGRAMS = 64;
/** Longer ones gain too little from company to be copied. */
const MAX_DATAGRAM_BYTES = 16 * 1024;

const VECTOR = MMSGHDR_BYTES;
const CONTROL = VECTOR + IOVEC_BYTES;
/** struct cmsghdr: 0 u64 length, 8 u32 level, 12 u32 type; then, for UDP_SEGMENT, u16 bytes of a datagram. */
const CONTROL_BYTES = 18;
const CONTROL_SPACE = 24;

/** A socket that datagrams leave by, and where they go. */
export interface DatagramRoute {
  readonly fd: number;
  /** As `writeSocketAddress` wrote it. */
  readonly peerAddress: PinnedBuffer;
  readonly peerLength: number;
  /** False: the kernel can't cut datagrams on this way, which was found out by trying. */
  cutsDatagrams: boolean;
}

/**
 * Datagrams that follow each other on the same way go out by one system call: the kernel cuts them from one piece
 * (UDP_SEGMENT, udp(7)). All have the length of the first; a shorter one is the last.
 */
export class SendBatch {
  readonly #payload = allocatePinned(BATCH_BYTES);
  readonly #message = allocatePinned(CONTROL + CONTROL_SPACE);
  #route: DatagramRoute | undefined;
  #datagramBytes = 0;
  #bytes = 0;
  #count = 0;
  #sealed = false;

  constructor() {
    const { view } = this.#message;
    view.setUint32(CONTROL, CONTROL_BYTES, true);
    view.setUint32(CONTROL + 8, SOL_UDP, true);
    view.setUint32(CONTROL + 12, UDP_SEGMENT, true);
  }

  /** Takes the datagram [start, end) of `buffer`; it has left by the next `flush`. */
  add(route: DatagramRoute, buffer: PinnedBuffer, start: number, end: number): void {
    const length = end - start;
    const joins =
      this.#route === route &&
      !this.#sealed &&
      // An empty one can't be cut from anything.
      length > 0 &&
      length <= this.#datagramBytes &&
      this.#count < MAX_DATAGRAMS &&
      this.#bytes + length <= BATCH_BYTES;
    if (!joins) {
      this.flush();
      if (length > MAX_DATAGRAM_BYTES || !route.cutsDatagrams) {
        sendOne(route, buffer.address + start, length);
        return;
      }
      this.#route = route;
      this.#datagramBytes = length;
    }
    buffer.bytes.copy(this.#payload.bytes, this.#bytes, start, end);
    this.#bytes += length;
    this.#count++;
    this.#sealed = length < this.#datagramBytes;
  }

  /** Whether datagrams of that way wait: before its address, its options or its socket change, they must leave. */
  holds(route: DatagramRoute): boolean {
    return this.#route === route;
  }

  flush(): void {
    const route = this.#route;
    if (route === undefined) return;
    const { address } = this.#payload;
    if (this.#count === 1) sendOne(route, address, this.#bytes);
    else if (!this.#sendCut(route)) {
      for (let at = 0; at < this.#bytes; at += this.#datagramBytes) {
        sendOne(route, address + at, Math.min(this.#datagramBytes, this.#bytes - at));
      }
    }
    this.#route = undefined;
    this.#bytes = 0;
    this.#count = 0;
    this.#sealed = false;
  }

  /** False: none of them has left, and there is no room to blame. */
  #sendCut(route: DatagramRoute): boolean {
    const { view, address } = this.#message;
    writeVector(view, VECTOR, this.#payload.address, this.#bytes);
    writeMessageHeader(view, 0, {
      name: route.peerAddress.address,
      nameBytes: route.peerLength,
      vectors: address + VECTOR,
      vectorCount: 1,
      control: address + CONTROL,
      controlBytes: CONTROL_SPACE,
    });
    view.setUint16(CONTROL + 16, this.#datagramBytes, true);
    let sent = sockets.sendMessage(route.fd, address);
    // As in `sendOne`.
    if (sent < 0 && sent !== -EAGAIN) sent = sockets.sendMessage(route.fd, address);
    if (sent >= 0 || sent === -EAGAIN) return true;
    // A way whose packets are shorter than the datagrams (EINVAL), or a device that makes no checksums (EIO).
    route.cutsDatagrams = false;
    return false;
  }
}

function sendOne({ fd, peerAddress, peerLength }: DatagramRoute, from: number, length: number): void {
  const sent = sockets.sendToPrepared(fd, from, length, peerAddress.address, peerLength);
  // That may be the error of an earlier datagram, which waits in the socket and is told only once.
  if (sent < 0 && sent !== -EAGAIN) sockets.sendToPrepared(fd, from, length, peerAddress.address, peerLength);
}
