import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  IP_RECVERR,
  IP_TTL,
  IPV6_RECVERR,
  IPV6_UNICAST_HOPS,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  sockets,
  writeSocketAddress,
} from '../../../native/sockets';
import type { IpPacket } from '../gateway/ip-packet';
import type { Neighbour } from '../gateway/neighbours';
import type { Reactor, Watch } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { fromBytes, type IpAddress, isV4, sameAddress, toBytes } from '../wire/ip-address';
import { ReceiveBatch } from './receive-batch';
import { type DatagramRoute, SendBatch } from './send-batch';
import type { DatagramEnds } from './send-to-guest';

const BATCHES_IN_A_ROW = 4;
const ERRORS_IN_A_ROW = 16;
const SOCKET_BUFFER_BYTES = 1024 * 1024;

export interface UdpNatOptions {
  readonly reactor: Reactor;
  /** A source port of a guest is forgotten after so long without a datagram either way. */
  readonly idleMs: number;
  /** Source ports at once; when there are more, the quarter that was silent longest goes. */
  readonly maxBindings: number;
  /** Memory for what comes from the host's side. */
  readonly incoming: ReceiveBatch;
  /** Sends datagrams of `datagramBytes`, the last maybe shorter, to a guest. */
  readonly deliver: (
    neighbour: Neighbour,
    ends: DatagramEnds,
    buffer: PinnedBuffer,
    start: number,
    end: number,
    datagramBytes: number,
  ) => void;
  /** As which address a guest knows an address of the host's side. */
  readonly asSeenByGuest: (address: IpAddress, guest: IpAddress) => IpAddress;
  /** Something on the way answered a guest's datagram with an ICMP message. */
  readonly failed: (neighbour: Neighbour, failure: UdpFailure) => void;
}

/** An ICMP message about a datagram of a guest. */
export interface UdpFailure {
  readonly guest: IpAddress;
  readonly guestPort: number;
  /** As the guest knows it. */
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** Who says so. */
  readonly reporter: IpAddress;
  readonly type: number;
  readonly code: number;
  /** The MTU that would fit, in "too big" messages. */
  readonly info: number;
}

/** One source port of a guest, and the host's socket that stands for it: full cone, anybody may answer (RFC 4787). */
interface Binding extends DatagramRoute {
  readonly guest: IpAddress;
  readonly guestPort: number;
  /** Where the guest was when it last sent: its link may have been replaced. */
  neighbour: Neighbour;
  readonly watch: Watch;
  usedMs: number;
  /** Where the last datagram went, as the kernel wants it. */
  peer: IpAddress | undefined;
  peerPort: number;
  peerLength: number;
  /** Hop limit of the socket: the guest's, so that its traceroute works. */
  hopLimit: number;
}

/** Takes guests' datagrams to the host's network and the answers back. */
export class UdpNat {
  readonly #bindings = new Map<number | string, Binding>();
  readonly #outgoing = new SendBatch();
  readonly #sweepTimer: Timer;
  readonly #endFlushing: () => void;

  constructor(private readonly options: UdpNatOptions) {
    this.#endFlushing = options.reactor.atTurnEnd(() => this.#outgoing.flush());
    this.#sweepTimer = options.reactor.timer(() => this.#sweep());
  }

  get size(): number {
    return this.#bindings.size;
  }

  /** Sends the payload [start, end) of a guest's packet to `address` on the host's side. */
  send(packet: IpPacket, guestPort: number, address: IpAddress, port: number, start: number, end: number): void {
    const binding = this.#bindingFor(packet, guestPort, address);
    if (binding === undefined) return;
    binding.usedMs = this.options.reactor.nowMs;
    binding.neighbour = packet.neighbour;
    if (binding.peerPort !== port || binding.peer === undefined || !sameAddress(binding.peer, address)) {
      if (this.#outgoing.holds(binding)) this.#outgoing.flush();
      binding.peer = address;
      binding.peerPort = port;
      binding.peerLength = writeSocketAddress(binding.peerAddress.bytes, 0, { address: toBytes(address), port });
      binding.cutsDatagrams = true;
    }
    // We are a hop, too.
    const hopLimit = Math.max(1, packet.hopLimit - 1);
    if (binding.hopLimit !== hopLimit) {
      if (this.#outgoing.holds(binding)) this.#outgoing.flush();
      binding.hopLimit = hopLimit;
      if (isV4(address)) sockets.setOption(binding.fd, SOL_IP, IP_TTL, hopLimit);
      else sockets.setOption(binding.fd, SOL_IPV6, IPV6_UNICAST_HOPS, hopLimit);
    }
    this.#outgoing.add(binding, packet.buffer, start, end);
  }

  close(): void {
    this.#sweepTimer.clear();
    this.#endFlushing();
    for (const [key, binding] of this.#bindings) this.#remove(key, binding);
  }

  #bindingFor({ source, neighbour }: IpPacket, guestPort: number, address: IpAddress): Binding | undefined {
    const v4 = isV4(address);
    const key = v4
      ? (source.w3 >>> 0) * 65_536 + guestPort
      : `${source.w0},${source.w1},${source.w2},${source.w3},${guestPort}`;
    const known = this.#bindings.get(key);
    if (known !== undefined) return known;
    if (this.#bindings.size >= this.options.maxBindings) this.#evict();
    let fd: number;
    try {
      fd = sockets.socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM);
    } catch {
      // Out of descriptors: a datagram may get lost.
      return undefined;
    }
    try {
      sockets.setOption(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
      sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
      if (v4) sockets.setOption(fd, SOL_IP, IP_RECVERR, 1);
      else sockets.setOption(fd, SOL_IPV6, IPV6_RECVERR, 1);
      ReceiveBatch.prepare(fd);
      sockets.bind(fd, { address: new Uint8Array(v4 ? 4 : 16), port: 0 });
    } catch {
      sockets.close(fd);
      return undefined;
    }
    const binding: Binding = {
      guest: source,
      guestPort,
      neighbour,
      fd,
      watch: this.options.reactor.watch(fd, (events) => {
        if ((events & EPOLLERR) !== 0) this.#takeErrors(binding);
        this.#receive(binding);
      }),
      usedMs: this.options.reactor.nowMs,
      peer: undefined,
      peerPort: 0,
      peerAddress: allocatePinned(32),
      peerLength: 0,
      cutsDatagrams: true,
      hopLimit: 0,
    };
    this.#bindings.set(key, binding);
    if (!this.#sweepTimer.pending) this.#sweepTimer.set(binding.usedMs + this.options.idleMs);
    return binding;
  }

  #receive(binding: Binding): void {
    const { incoming, deliver, asSeenByGuest, reactor } = this.options;
    const { guest, guestPort } = binding;
    for (let batches = 0; batches < BATCHES_IN_A_ROW; batches++) {
      const more = incoming.receive(binding.fd, (peer, buffer, start, end, datagramBytes) => {
        binding.usedMs = reactor.nowMs;
        const source = asSeenByGuest(fromBytes(peer.address), guest);
        const ends = { source, sourcePort: peer.port, guest, guestPort };
        deliver(binding.neighbour, ends, buffer, start, end, datagramBytes);
      });
      if (!more) return;
    }
    binding.watch.again();
  }

  #takeErrors({ fd, guest, guestPort, neighbour }: Binding): void {
    for (let count = 0; count < ERRORS_IN_A_ROW; count++) {
      const error = sockets.receiveError(fd);
      if (error === undefined) return;
      if (error.offender === undefined) continue;
      this.options.failed(neighbour, {
        guest,
        guestPort,
        remote: this.options.asSeenByGuest(fromBytes(error.destination.address), guest),
        remotePort: error.destination.port,
        reporter: this.options.asSeenByGuest(fromBytes(error.offender.address), guest),
        type: error.type,
        code: error.code,
        info: error.info,
      });
    }
  }

  #evict(): void {
    const oldest = [...this.#bindings].sort(([, a], [, b]) => a.usedMs - b.usedMs);
    for (const [key, binding] of oldest.slice(0, Math.ceil(oldest.length / 4))) this.#remove(key, binding);
  }

  #sweep(): void {
    const { reactor, idleMs } = this.options;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, binding] of this.#bindings) {
      const dueMs = binding.usedMs + idleMs;
      if (dueMs <= reactor.nowMs) this.#remove(key, binding);
      else nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#sweepTimer.set(nextMs);
  }

  #remove(key: number | string, binding: Binding): void {
    if (this.#outgoing.holds(binding)) this.#outgoing.flush();
    this.#bindings.delete(key);
    binding.watch.close();
    sockets.close(binding.fd);
  }
}
