import {
  IOVEC_BYTES,
  MMSGHDR_BYTES,
  MMSGHDR_LENGTH_OFFSET,
  MSGHDR_CONTROL_BYTES_OFFSET,
  MSGHDR_NAME_BYTES_OFFSET,
  writeMessageHeader,
  writeVector,
} from '../../../native/message-header';
import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import {
  EAGAIN,
  readSocketAddress,
  SOL_UDP,
  type SocketAddress,
  socketAddressBytes,
  sockets,
  UDP_GRO,
} from '../../../native/sockets';

/** As many full datagrams of Ethernet's MTU as one IP packet holds when they are handed on in one piece. */
const DATAGRAMS = 44;
const ETHERNET_DATAGRAM_BYTES = 1472;
/** Longer ones are not expected, but taken. */
const MAX_EXPECTED_BYTES = ETHERNET_DATAGRAM_BYTES;
const MAX_DATAGRAM_BYTES = 65_536;
const NAME_BYTES = 32;
const VECTORS = DATAGRAMS * MMSGHDR_BYTES;
const NAMES = VECTORS + DATAGRAMS * 2 * IOVEC_BYTES;
/** Of each: a struct cmsghdr (send-batch.ts) with an int, the bytes of a datagram. */
const CONTROLS = NAMES + DATAGRAMS * NAME_BYTES;
const CONTROL_BYTES = 24;
const CONTROL_TYPE_OFFSET = 12;
const CONTROL_VALUE_OFFSET = 16;
/** Of each datagram that is longer than expected: room for its beginning, then what did not fit. */
const OVERFLOW_BYTES = MAX_EXPECTED_BYTES + MAX_DATAGRAM_BYTES;

/**
 * Datagrams of one peer that lie one behind the other in [start, end): each of `datagramBytes`, the last maybe shorter.
 * Only valid during the call.
 */
export type DatagramsReceiver = (
  peer: SocketAddress,
  buffer: PinnedBuffer,
  start: number,
  end: number,
  datagramBytes: number,
) => void;

/**
 * Receives many datagrams by one system call. Peers that send much send datagrams of one length, so each is received to
 * where it would lie if it and those before it had the length of the last; then a whole run is handed on as it lies.
 */
export class ReceiveBatch {
  readonly #headers = allocatePinned(CONTROLS + DATAGRAMS * CONTROL_BYTES);
  readonly #slots = allocatePinned(DATAGRAMS * MAX_EXPECTED_BYTES);
  /** Zero pages until something is long. */
  readonly #overflow = allocatePinned(DATAGRAMS * OVERFLOW_BYTES);
  /** Of messages that hold several datagrams, the bytes of each; 0: it is one. */
  readonly #pieceBytes = new Uint32Array(DATAGRAMS);
  #expectedBytes = 0;

  constructor() {
    const { view, address } = this.#headers;
    for (let index = 0; index < DATAGRAMS; index++) {
      const vectors = VECTORS + index * 2 * IOVEC_BYTES;
      writeMessageHeader(view, index * MMSGHDR_BYTES, {
        name: address + NAMES + index * NAME_BYTES,
        nameBytes: NAME_BYTES,
        vectors: address + vectors,
        vectorCount: 2,
        control: address + CONTROLS + index * CONTROL_BYTES,
        controlBytes: CONTROL_BYTES,
      });
      const overflow = this.#overflow.address + index * OVERFLOW_BYTES + MAX_EXPECTED_BYTES;
      writeVector(view, vectors + IOVEC_BYTES, overflow, MAX_DATAGRAM_BYTES);
    }
    this.#expect(ETHERNET_DATAGRAM_BYTES);
  }

  /** Has the kernel hand over in one piece what came so from its sender or its card (UDP_GRO, udp(7)), if it can. */
  static prepare(fd: number): void {
    try {
      sockets.setOption(fd, SOL_UDP, UDP_GRO, 1);
    } catch {
      // Before Linux 5.0 they come one by one.
    }
  }

  /** Receives what waits in the socket, up to a bound. True: there may be more. */
  receive(fd: number, receive: DatagramsReceiver): boolean {
    const count = sockets.receiveMessages(fd, this.#headers.address, DATAGRAMS);
    // An error of an earlier datagram is told once; there may be datagrams behind it.
    if (count < 0) return count !== -EAGAIN;
    this.#readPieces(count);
    this.#handOn(count, receive);
    const last = this.#lengthOf(count - 1);
    if (count > 1 && last !== this.#expectedBytes && last === this.#lengthOf(count - 2)) this.#expect(last);
    return count === DATAGRAMS;
  }

  /** Notes how long the datagrams of each message are, and makes the headers ready for the next call. */
  #readPieces(count: number): void {
    const { view } = this.#headers;
    for (let index = 0; index < count; index++) {
      const header = index * MMSGHDR_BYTES;
      const control = CONTROLS + index * CONTROL_BYTES;
      const isJoined =
        view.getUint32(header + MSGHDR_CONTROL_BYTES_OFFSET, true) > 0 &&
        view.getUint32(control + CONTROL_TYPE_OFFSET, true) === UDP_GRO;
      this.#pieceBytes[index] = isJoined ? view.getUint32(control + CONTROL_VALUE_OFFSET, true) : 0;
      view.setUint32(header + MSGHDR_NAME_BYTES_OFFSET, NAME_BYTES, true);
      view.setUint32(header + MSGHDR_CONTROL_BYTES_OFFSET, CONTROL_BYTES, true);
    }
  }

  #handOn(count: number, receive: DatagramsReceiver): void {
    const expected = this.#expectedBytes;
    for (let first = 0; first < count; ) {
      const peer = readSocketAddress(this.#headers.bytes, NAMES + first * NAME_BYTES);
      const length = this.#lengthOf(first);
      const datagramBytes = this.#pieceBytes[first] || length;
      if (length > expected) {
        const start = this.#gather(first);
        receive(peer, this.#overflow, start, start + length, datagramBytes);
        first++;
        continue;
      }
      const start = first * expected;
      let end = start + length;
      let next = first + 1;
      while (next < count && this.#continues(first, next)) {
        end += this.#lengthOf(next);
        next++;
      }
      receive(peer, this.#slots, start, end, datagramBytes);
      first = next;
    }
  }

  /** Whether a datagram lies right behind the one before and belongs to the run that `first` began. */
  #continues(first: number, next: number): boolean {
    const expected = this.#expectedBytes;
    const length = this.#lengthOf(next);
    return this.#lengthOf(next - 1) === expected && length > 0 && length <= expected && this.#sameName(first, next);
  }

  #sameName(a: number, b: number): boolean {
    const { bytes } = this.#headers;
    const [from, to] = [NAMES + a * NAME_BYTES, NAMES + b * NAME_BYTES];
    const length = socketAddressBytes(bytes, from);
    return bytes.compare(bytes, from, from + length, to, to + length) === 0;
  }

  /** Puts the beginning of a long datagram in front of its rest; answers where that is in the overflow. */
  #gather(index: number): number {
    const expected = this.#expectedBytes;
    const start = index * OVERFLOW_BYTES + MAX_EXPECTED_BYTES - expected;
    this.#slots.bytes.copy(this.#overflow.bytes, start, index * expected, (index + 1) * expected);
    return start;
  }

  #lengthOf(index: number): number {
    return this.#headers.view.getUint32(index * MMSGHDR_BYTES + MMSGHDR_LENGTH_OFFSET, true);
  }

  #expect(bytes: number): void {
    this.#expectedBytes = Math.min(Math.max(bytes, 1), MAX_EXPECTED_BYTES);
    for (let index = 0; index < DATAGRAMS; index++) {
      const slot = this.#slots.address + index * this.#expectedBytes;
      writeVector(this.#headers.view, VECTORS + index * 2 * IOVEC_BYTES, slot, this.#expectedBytes);
    }
  }
}
