import { allocatePinned } from '../../../native/pinned-buffer';
import { type SocketAddress, writeSocketAddress } from '../../../native/sockets';
import type { IpPacket } from '../gateway/ip-packet';
import type { Reactor } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { type DatagramRoute, SendBatch } from '../udp/send-batch';
import { type IpEndpoint, sameAddress } from '../wire/ip-address';

const FIRST_PORT = 20_000;
const MAX_PEERS = 4096;
const IDLE_MS = 120_000;

/** Socket addresses of IPv4 and IPv6 have 16 and 28 bytes. */
const ADDRESS_BYTES = 32;

interface Peer extends DatagramRoute {
  readonly key: string;
  readonly guest: IpEndpoint;
  usedMs: number;
}

/** Peers of UDP forwards: each talks to its guest from a port of the gateway, by which the guest's answers find back. */
export class PeerPorts {
  readonly #byPort = new Map<number, Peer>();
  readonly #ports = new Map<string, number>();
  readonly #outgoing = new SendBatch();
  readonly #endFlushing: () => void;
  readonly #sweepTimer: Timer;
  #next = 0;

  constructor(private readonly reactor: Reactor) {
    this.#endFlushing = reactor.atTurnEnd(() => this.#outgoing.flush());
    this.#sweepTimer = reactor.timer(() => this.#sweep());
  }

  /** The gateway's port for a peer of a forward's socket; undefined when there are too many peers. */
  portFor(fd: number, address: SocketAddress, guest: IpEndpoint): number | undefined {
    const key = `${fd} ${Buffer.from(address.address).toString('hex')} ${address.port} ${address.scope ?? 0}`;
    const known = this.#ports.get(key);
    if (known !== undefined) {
      (this.#byPort.get(known) as Peer).usedMs = this.reactor.nowMs;
      return known;
    }
    if (this.#byPort.size >= MAX_PEERS) this.#sweep();
    if (this.#byPort.size >= MAX_PEERS) return undefined;
    let port = FIRST_PORT + this.#next;
    while (this.#byPort.has(port)) {
      this.#next = (this.#next + 1) % (2 * MAX_PEERS);
      port = FIRST_PORT + this.#next;
    }
    this.#next = (this.#next + 1) % (2 * MAX_PEERS);
    const peerAddress = allocatePinned(ADDRESS_BYTES);
    const peerLength = writeSocketAddress(peerAddress.bytes, 0, address);
    const usedMs = this.reactor.nowMs;
    this.#byPort.set(port, { key, fd, peerAddress, peerLength, cutsDatagrams: true, guest, usedMs });
    this.#ports.set(key, port);
    if (!this.#sweepTimer.pending) this.#sweepTimer.set(this.reactor.nowMs + IDLE_MS);
    return port;
  }

  /** Sends a guest's datagram to the peer that the gateway's `port` stands for; false: it stands for none of this guest's. */
  answer(packet: IpPacket, guestPort: number, port: number, start: number, end: number): boolean {
    const peer = this.#byPort.get(port);
    if (peer === undefined || peer.guest.port !== guestPort || !sameAddress(peer.guest.address, packet.source))
      return false;
    peer.usedMs = this.reactor.nowMs;
    this.#outgoing.add(peer, packet.buffer, start, end);
    return true;
  }

  /** Forgets the peers of a forward that is closed. */
  forget(fd: number): void {
    for (const [port, peer] of this.#byPort) if (peer.fd === fd) this.#remove(port, peer);
  }

  close(): void {
    this.#sweepTimer.clear();
    this.#endFlushing();
  }

  #sweep(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [port, peer] of this.#byPort) {
      const dueMs = peer.usedMs + IDLE_MS;
      if (dueMs <= this.reactor.nowMs) this.#remove(port, peer);
      else nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#sweepTimer.set(nextMs);
  }

  #remove(port: number, peer: Peer): void {
    if (this.#outgoing.holds(peer)) this.#outgoing.flush();
    this.#byPort.delete(port);
    this.#ports.delete(peer.key);
  }
}
