import { allocatePinned } from '../../../native/pinned-buffer';
import { AF_INET, AF_INET6, EAGAIN, SOCK_DGRAM, sockets } from '../../../native/sockets';
import type { DatagramService, FlowEnds } from '../flow';
import type { Reactor, Watch } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { isConnecting } from '../tcp/tcp-stack';
import { type IpEndpoint, isV4, toBytes } from '../wire/ip-address';

const MAX_DATAGRAM_BYTES = 65_536;
const DATAGRAMS_IN_A_ROW = 64;
const MAX_FLOWS = 512;
const IDLE_MS = 120_000;

/** A port of the gateway that leads to a port of the host's side. */
export interface GatewayPort {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly to: IpEndpoint;
}

interface Flow {
  readonly fd: number;
  readonly watch: Watch;
  usedMs: number;
  reply: (payload: Uint8Array) => void;
}

/**
 * VPNKit's gateway forwards. They may be replaced while the network runs; flows that exist stay as they are. TCP is for
 * the network to connect, UDP is served here.
 */
export class GatewayPorts {
  readonly #reactor: Reactor;
  readonly #own: ReadonlyMap<number, DatagramService>;
  readonly #datagrams: Map<number, DatagramService>;
  readonly #sweepTimer: Timer;
  readonly #buffer = allocatePinned(MAX_DATAGRAM_BYTES);
  /** In the order of use: the first is the first to go. */
  readonly #flows = new Map<string, Flow>();
  #tcp: ReadonlyMap<number, IpEndpoint> = new Map();

  /** @param datagrams the gateway's services; forwards come before those that are there now. */
  constructor(reactor: Reactor, datagrams: Map<number, DatagramService>) {
    this.#reactor = reactor;
    this.#own = new Map(datagrams);
    this.#datagrams = datagrams;
    this.#sweepTimer = reactor.timer(() => this.#sweep());
  }

  /** Where a TCP port leads. */
  tcp(port: number): IpEndpoint | undefined {
    return this.#tcp.get(port);
  }

  /** Of several for the same port the first counts. */
  replace(ports: readonly GatewayPort[]): void {
    const wanted = [...ports].reverse();
    this.#tcp = new Map(wanted.filter(({ protocol }) => protocol === 'tcp').map(({ port, to }) => [port, to]));
    this.#datagrams.clear();
    for (const [port, service] of this.#own) this.#datagrams.set(port, service);
    for (const { protocol, port, to } of wanted) {
      if (protocol === 'udp') this.#datagrams.set(port, (payload, ends, reply) => this.#send(payload, ends, to, reply));
    }
  }

  close(): void {
    this.#sweepTimer.clear();
    for (const key of [...this.#flows.keys()]) this.#forget(key);
  }

  #send(payload: Uint8Array, { source, destination }: FlowEnds, to: IpEndpoint, reply: Flow['reply']): void {
    const key = `${source.address} ${source.port} ${destination.port}`;
    const flow = this.#flows.get(key) ?? this.#open(key, to);
    if (flow === undefined) return;
    this.#use(key, flow);
    flow.reply = reply;
    this.#buffer.bytes.set(payload);
    sockets.send(flow.fd, this.#buffer.address, payload.length);
  }

  #open(key: string, { address, port }: IpEndpoint): Flow | undefined {
    const [oldest] = this.#flows.keys();
    if (oldest !== undefined && this.#flows.size >= MAX_FLOWS) this.#forget(oldest);
    let fd: number;
    try {
      fd = sockets.socket(isV4(address) ? AF_INET : AF_INET6, SOCK_DGRAM);
    } catch {
      // Out of descriptors: this datagram is lost, as datagrams are.
      return undefined;
    }
    if (!isConnecting(sockets.connect(fd, { address: toBytes(address), port }))) {
      sockets.close(fd);
      return undefined;
    }
    const watch: Watch = this.#reactor.watch(fd, () => this.#receive(key, flow));
    const flow: Flow = { fd, watch, usedMs: this.#reactor.nowMs, reply: () => undefined };
    this.#flows.set(key, flow);
    if (!this.#sweepTimer.pending) this.#sweepTimer.set(this.#reactor.nowMs + IDLE_MS);
    return flow;
  }

  #receive(key: string, flow: Flow): void {
    for (let count = 0; count < DATAGRAMS_IN_A_ROW; count++) {
      const length = sockets.receive(flow.fd, this.#buffer.address, MAX_DATAGRAM_BYTES);
      if (length === -EAGAIN) return;
      // A refusal of the other side; the next datagram may find somebody.
      if (length < 0) continue;
      this.#use(key, flow);
      flow.reply(this.#buffer.bytes.subarray(0, length));
    }
    flow.watch.again();
  }

  #use(key: string, flow: Flow): void {
    flow.usedMs = this.#reactor.nowMs;
    this.#flows.delete(key);
    this.#flows.set(key, flow);
  }

  #sweep(): void {
    for (const [key, flow] of this.#flows) {
      const dueMs = flow.usedMs + IDLE_MS;
      if (dueMs > this.#reactor.nowMs) {
        this.#sweepTimer.set(dueMs);
        return;
      }
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    this.#flows.delete(key);
    flow.watch.close();
    sockets.close(flow.fd);
  }
}
