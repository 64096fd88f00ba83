import type { PinnedBuffer } from '../../native/pinned-buffer';
import { allocatePinned } from '../../native/pinned-buffer';
import {
  AF_INET,
  AF_INET6,
  SO_KEEPALIVE,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  sockets,
  TCP_NODELAY,
} from '../../native/sockets';
import { macToNumber } from './addressing/mac';
import type { NetworkPlan } from './addressing/network-plan';
import { captureLink } from './capture/capture-link';
import type { FrameTaps } from './capture/frame-tap';
import type { DhcpAnswer } from './dhcp/dhcp-server';
import type { FlowEnds } from './flow';
import { Gateway } from './gateway/gateway';
import { type HostAccess, HostPolicy, type OwnAddresses } from './gateway/host-policy';
import { passEchoReply, sendUdpFailure } from './gateway/icmp';
import { connectService, type InnerServices } from './gateway/inner-services';
import type { IpPacket } from './gateway/ip-packet';
import { NeighbourDiscovery } from './gateway/ndp';
import type { Neighbour } from './gateway/neighbours';
import { PacketWriter } from './gateway/packet-writer';
import { Reassembly } from './gateway/reassembly';
import { PingNat } from './icmp/ping-nat';
import { countLink, type Traffic } from './link/count-link';
import type { FrameReceiver, Link } from './link/link';
import { Reactor } from './reactor/reactor';
import { Switch } from './switch/switch';
import type { TcpEnds } from './tcp/tcp-context';
import { isConnecting, TcpStack, type TcpTarget } from './tcp/tcp-stack';
import { ReceiveBatch } from './udp/receive-batch';
import { type DatagramEnds, sendToGuest, UDP_HEADER_BYTES } from './udp/send-to-guest';
import { UdpNat } from './udp/udp-nat';
import { BROADCAST, type MacAddress } from './wire/ethernet';
import {
  formatAddress,
  fromBytes,
  type IpAddress,
  type IpEndpoint,
  ipv4,
  isV4,
  MAPPED_PREFIX,
  sameAddress,
  toBytes,
} from './wire/ip-address';

const DHCP_SERVER_PORT = 67;
const DHCP_CLIENT_PORT = 68;
/** `yiaddr`, RFC 2131 section 2. */
const DHCP_YIADDR_OFFSET = 16;
/** A guest that can make mistakes happen can't fill the log with them. */
const MAX_LOGGED_FAULTS = 20;
const BROADCAST_V4 = ipv4(0xffff_ffff);
/** Ports that connections to guests come from when the peer's own is taken (RFC 6335 section 6). */
const FIRST_EPHEMERAL_PORT = 49_152;
const EPHEMERAL_PORTS = 16_384;
/** Ports tried before a connection to a guest is given up. */
const PORT_ATTEMPTS = 64;
const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_CONNECTIONS = 65_536;
/** VPNKit's: 1024 entries, 60 s. Ours are as idle for longer, as RFC 4787 section 4.3 asks. */
const DEFAULT_UDP_BINDINGS = 1024;
const DEFAULT_UDP_IDLE_MS = 120_000;
const IPV6_ROUTER_LIFETIME_S = 1800;

export interface NetworkOptions {
  readonly plan: NetworkPlan;
  readonly services: InnerServices;
  /** `mac` is that of the frame. */
  readonly dhcp: (message: Uint8Array, mac: MacAddress) => DhcpAnswer | undefined;
  readonly hostAccess: HostAccess;
  readonly log: (line: string) => void;
  /** Whether guests reach 169.254.0.0/16. */
  readonly linkLocal?: boolean;
  /** Whether the host has a way out over IPv6, so that guests may use us for theirs. */
  readonly ipv6Uplink?: boolean;
  readonly udpIdleMs?: number;
  readonly maxConnections?: number;
  /** Bytes in transit of all TCP connections together. */
  readonly memoryBytes?: number;
  /** Where a TCP port of the gateway leads, before its own services are asked; undefined: nowhere else. */
  readonly gatewayPort?: (port: number) => IpEndpoint | undefined;
  /** See every frame while there are any. */
  readonly taps?: FrameTaps;
  /** To guests, connections of the host's side come from the gateway instead of from whoever made them. */
  readonly masquerade?: boolean;
  /**
   * For a network that is there only for connections to one guest: where that is by now, whatever address the forwards
   * name; undefined: not known yet.
   */
  readonly onlyGuest?: () => IpAddress | undefined;
  /** Sends a connection somewhere else than its destination, e.g. into a proxy; undefined: as usual. */
  readonly intercept?: (ends: FlowEnds) => ReturnType<InnerServices['streams']['get']>;
}

/**
 * One user-mode network: links of guests on a switch, and a gateway that takes their TCP, UDP and ICMP to the host's own
 * sockets. Needs no privileges. Linux only.
 */
export class Network {
  readonly reactor = new Reactor();
  readonly plan: NetworkPlan;
  readonly tcp: TcpStack;
  readonly switch: Switch;
  readonly gateway: Gateway;
  /** Of all links, as long as the network lives. */
  readonly traffic: Traffic = { sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0 };
  /** Memory for datagrams of the host's sockets while they are handed on. */
  readonly incoming = new ReceiveBatch();
  readonly #options: NetworkOptions;
  readonly #policy: HostPolicy;
  readonly #writer: PacketWriter;
  readonly #udp: UdpNat;
  readonly #ping: PingNat;
  readonly #reassembly: Reassembly;
  readonly #own: readonly OwnAddresses[];
  /** Payload of what our own services send, for the writer. */
  readonly #reply = allocatePinned(65_536);
  #ephemeral = 0;
  /** Takes datagrams that guests send to ports of the gateway from which `sendToGuest` sends; false: not one of them. */
  guestReplies: (packet: IpPacket, guestPort: number, port: number, start: number, end: number) => boolean = () =>
    false;

  constructor(options: NetworkOptions) {
    const { plan, log } = options;
    this.#options = options;
    let faults = 0;
    this.reactor.onFault = (error) => {
      faults++;
      if (faults <= MAX_LOGGED_FAULTS)
        log(`a mistake in the network (the ${faults}. so far): ${error.stack ?? error.message}`);
    };
    this.plan = plan;
    const mac = macToNumber(plan.gatewayMac);
    this.#own = ownAddresses(plan);
    const [v4] = this.#own as [OwnAddresses];
    this.#policy = new HostPolicy({
      own: this.#own,
      hostAccess: options.hostAccess,
      linkLocal: options.linkLocal ?? false,
    });
    this.#writer = new PacketWriter(mac, plan.mtu);
    const { ipv6 } = plan;
    const discovery =
      ipv6 === undefined
        ? undefined
        : new NeighbourDiscovery(this.#writer, mac, {
            gateway: fromBytes(ipv6.gateway),
            hostAlias: ipv6.hostAlias === undefined ? undefined : fromBytes(ipv6.hostAlias),
            prefixBits: 64,
            mtu: plan.mtu,
            routerLifetimeS: options.ipv6Uplink === true ? IPV6_ROUTER_LIFETIME_S : 0,
          });
    this.gateway = new Gateway({
      mac,
      writer: this.#writer,
      gateway: v4.gateway,
      hostAlias: v4.hostAlias,
      discovery,
      transports: {
        tcp: ({ neighbour, source, destination, buffer, start, end, verified }) =>
          this.tcp.receive(neighbour, source, destination, buffer, start, end, verified),
        udp: (packet, sourcePort, destinationPort, start, end) =>
          this.#receiveUdp(packet, sourcePort, destinationPort, start, end),
        echo: (packet) => {
          const where = this.#policy.destinationOf(packet.destination, 0);
          if (where.kind === 'host') this.#ping.send(packet, where.address);
          else if (where.kind === 'refuse') this.gateway.refuse(packet, 'address');
        },
        fragment: (packet, place) => this.#reassembly.receive(packet, place),
      },
    });
    this.switch = new Switch(mac, plan.mtu, (link, source, buffer, start, end, verified) =>
      this.gateway.receive(link, source, buffer, start, end, verified),
    );
    this.tcp = new TcpStack({
      reactor: this.reactor,
      writer: this.#writer,
      mtu: plan.mtu,
      memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
      maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
      route: (ends) => this.#routeTcp(ends),
    });
    this.#udp = new UdpNat({
      reactor: this.reactor,
      idleMs: options.udpIdleMs ?? DEFAULT_UDP_IDLE_MS,
      maxBindings: DEFAULT_UDP_BINDINGS,
      incoming: this.incoming,
      deliver: (neighbour, ends, buffer, start, end, datagramBytes) =>
        sendToGuest(this.#writer, neighbour, ends, buffer, start, end, datagramBytes),
      asSeenByGuest: (address, guest) => this.asSeenByGuest(address, guest),
      failed: (neighbour, failure) => sendUdpFailure(this.#writer, neighbour, failure),
    });
    this.#ping = new PingNat({
      reactor: this.reactor,
      deliver: (neighbour, source, guest, buffer, start, end) =>
        passEchoReply(this.#writer, neighbour, source, guest, buffer, start, end),
      asSeenByGuest: (address, guest) => this.asSeenByGuest(address, guest),
      log: options.log,
    });
    this.#reassembly = new Reassembly(this.reactor, (fragment, buffer, start, end) =>
      this.gateway.receiveIp(fragment.neighbour, buffer, start, end, fragment.verified),
    );
  }

  /** Attaches a guest's link, made by `open` with the receiver it is given. */
  attach(open: (receive: FrameReceiver) => Link): Link {
    const { taps } = this.#options;
    const tapped: typeof open = taps === undefined ? open : (receive) => captureLink(taps, receive, open);
    const link = this.switch.attach((receive) => countLink(this.traffic, receive, tapped));
    link.onDrain(() => this.tcp.resumeLink());
    link.onClose(() => {
      this.gateway.neighbours.forget(link);
      this.tcp.dropLink(link);
    });
    return link;
  }

  /**
   * Opens a connection to a guest for a connected socket of the host, which the network owns from now on; `from` is the
   * socket's peer. A guest that is expected and not up yet is waited for. False: there is no such guest, or no port or
   * connection left; the socket is then still the caller's. `onAnswer` is told once whether the guest took it.
   */
  connectToGuest(
    fd: number,
    from: IpEndpoint,
    named: IpAddress,
    guestPort: number,
    onAnswer?: (open: boolean) => void,
  ): boolean {
    const guest = this.#locate(named);
    const neighbour = guest && this.gateway.neighbours.find(guest);
    if (guest === undefined || neighbour === undefined) return false;
    const { masquerade } = this.#options;
    const remote = masquerade === true ? this.gatewayFor(guest) : this.asSeenByGuest(from.address, guest);
    for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
      const remotePort = attempt === 0 && from.port > 0 ? from.port : this.#nextEphemeralPort();
      if (this.tcp.connect({ guest, guestPort, remote, remotePort }, neighbour, fd, onAnswer)) return true;
    }
    return false;
  }

  /** Sends datagrams, as `sendToGuest`, as coming from `port` of the gateway. False: there is no such guest (yet). */
  sendToGuest(
    named: IpAddress,
    guestPort: number,
    port: number,
    buffer: PinnedBuffer,
    start: number,
    end: number,
    datagramBytes: number,
  ): boolean {
    const guest = this.#locate(named);
    const neighbour = guest && this.gateway.neighbours.find(guest);
    if (guest === undefined || neighbour?.present !== true) return false;
    const ends = { source: this.gatewayFor(guest), sourcePort: port, guest, guestPort };
    sendToGuest(this.#writer, neighbour, ends, buffer, start, end, datagramBytes);
    return true;
  }

  #locate(named: IpAddress): IpAddress | undefined {
    const { onlyGuest } = this.#options;
    return onlyGuest === undefined ? named : onlyGuest();
  }

  /** Our own address of the guest's family. */
  gatewayFor(guest: IpAddress): IpAddress {
    return this.#ownFor(guest).gateway;
  }

  #nextEphemeralPort(): number {
    this.#ephemeral = (this.#ephemeral + 1) % EPHEMERAL_PORTS;
    return FIRST_EPHEMERAL_PORT + this.#ephemeral;
  }

  /**
   * An address of the host's side as a guest sees it: what the guest could reach itself is what it is; loopback, the other
   * family and addresses of the guests' own network are the host's alias.
   */
  asSeenByGuest(address: IpAddress, guest: IpAddress): IpAddress {
    if (isV4(address) === isV4(guest) && this.#policy.destinationOf(address, 0).kind === 'host') return address;
    const own = this.#ownFor(guest);
    return own.hostAlias ?? own.gateway;
  }

  #ownFor(guest: IpAddress): OwnAddresses {
    return this.#own.find(({ gateway }) => isV4(gateway) === isV4(guest)) ?? (this.#own[0] as OwnAddresses);
  }

  /** Ends all connections and links. */
  close(): void {
    this.reactor.enter(() => this.tcp.close());
    for (const link of [...this.switch.links]) link.close();
    this.#udp.close();
    this.#ping.close();
    this.#reassembly.close();
    this.reactor.close();
  }

  #routeTcp(ends: TcpEnds): TcpTarget {
    const { services, intercept } = this.#options;
    const destination = this.#policy.destinationOf(ends.remote, ends.remotePort);
    try {
      switch (destination.kind) {
        case 'gateway': {
          const forward = this.#options.gatewayPort?.(ends.remotePort);
          if (forward !== undefined) return connectTo(forward.address, forward.port);
          const service = services.streams.get(ends.remotePort);
          if (service === undefined) return { kind: 'refuse' };
          return { kind: 'socket', fd: connectService(service, flowOf(ends)) };
        }
        case 'host': {
          const service = intercept?.(flowOf(ends));
          if (service !== undefined) return { kind: 'socket', fd: connectService(service, flowOf(ends)) };
          return connectTo(destination.address, ends.remotePort);
        }
        default:
          return destination;
      }
    } catch {
      // Out of descriptors or memory: the guest learns at once instead of by a time-out.
      return { kind: 'refuse' };
    }
  }

  #receiveUdp(packet: IpPacket, sourcePort: number, destinationPort: number, start: number, end: number): void {
    const { destination, source, buffer, neighbour } = packet;
    const toAll = sameAddress(destination, BROADCAST_V4);
    if (destinationPort === DHCP_SERVER_PORT && isV4(destination) && (toAll || this.gateway.isOurs(destination))) {
      this.#answerDhcp(neighbour, buffer.bytes.subarray(start, end));
      return;
    }
    const where = this.#policy.destinationOf(destination, destinationPort);
    if (where.kind === 'refuse') this.gateway.refuse(packet, 'address');
    if (where.kind === 'host') this.#udp.send(packet, sourcePort, where.address, destinationPort, start, end);
    if (where.kind !== 'gateway' || this.guestReplies(packet, sourcePort, destinationPort, start, end)) return;
    const service = this.#options.services.datagrams.get(destinationPort);
    if (service === undefined) {
      this.gateway.refuse(packet, 'port');
      return;
    }
    const ends = { guest: source, guestPort: sourcePort, remote: destination, remotePort: destinationPort };
    service(buffer.bytes.subarray(start, end), flowOf(ends), (payload) =>
      this.#send(
        neighbour,
        { source: destination, sourcePort: destinationPort, guest: source, guestPort: sourcePort },
        payload,
      ),
    );
  }

  #answerDhcp(neighbour: Neighbour, message: Uint8Array): void {
    const answer = this.#options.dhcp(message, neighbour.mac);
    if (answer === undefined) return;
    const [{ gateway }] = this.#own as [OwnAddresses];
    // A guest that was given an address may wait there for others without a word of its own.
    const given = new DataView(answer.payload.buffer, answer.payload.byteOffset).getInt32(DHCP_YIADDR_OFFSET);
    if (given !== 0) this.gateway.neighbours.learn(0, 0, MAPPED_PREFIX, given, neighbour.mac, neighbour.link);
    const guest = answer.destination === 'broadcast' ? BROADCAST_V4 : ipv4(answer.ip);
    const to = answer.destination === 'broadcast' ? { mac: BROADCAST, link: neighbour.link, present: true } : neighbour;
    const ends = { source: gateway, sourcePort: DHCP_SERVER_PORT, guest, guestPort: DHCP_CLIENT_PORT };
    this.#send(to, ends, answer.payload);
  }

  #send(neighbour: Neighbour, ends: DatagramEnds, payload: Uint8Array): void {
    const { length } = payload;
    if (length > this.#reply.bytes.length - UDP_HEADER_BYTES) return;
    this.#reply.bytes.set(payload);
    this.reactor.enter(() => sendToGuest(this.#writer, neighbour, ends, this.#reply, 0, length, length));
  }
}

function ownAddresses(plan: NetworkPlan): readonly OwnAddresses[] {
  const own: OwnAddresses[] = [
    {
      gateway: ipv4(plan.gateway),
      hostAlias: plan.hostAlias === undefined ? undefined : ipv4(plan.hostAlias),
      prefixBits: plan.prefix.bits,
    },
  ];
  if (plan.ipv6 !== undefined) {
    const { gateway, hostAlias } = plan.ipv6;
    own.push({
      gateway: fromBytes(gateway),
      hostAlias: hostAlias === undefined ? undefined : fromBytes(hostAlias),
      prefixBits: 64,
    });
  }
  return own;
}

function flowOf({ guest, guestPort, remote, remotePort }: TcpEnds): FlowEnds {
  return {
    source: { address: formatAddress(guest), port: guestPort },
    destination: { address: formatAddress(remote), port: remotePort },
  };
}

function connectTo(address: IpAddress, port: number): TcpTarget {
  const fd = sockets.socket(isV4(address) ? AF_INET : AF_INET6, SOCK_STREAM);
  sockets.setOption(fd, SOL_TCP, TCP_NODELAY, 1);
  sockets.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (isConnecting(sockets.connect(fd, { address: toBytes(address), port }))) return { kind: 'socket', fd };
  sockets.close(fd);
  return { kind: 'refuse' };
}
