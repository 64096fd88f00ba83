import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../../native/sockets';
import type { Link } from '../link/link';
import { finish, sumBytes } from '../wire/checksum';
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_OFFSET,
  type MacAddress,
} from '../wire/ethernet';
import { type IpAddress, isV4, MAPPED_PREFIX, readIpv4, readIpv6, sameAddress } from '../wire/ip-address';
import { pseudoSum } from '../wire/pseudo-header';
import { readArpRequest, sendArpReply } from './arp';
import { answerEcho, icmpChecksumHolds, isEchoRequest, sendUnreachable } from './icmp';
import type { IpPacket } from './ip-packet';
import type { NeighbourDiscovery } from './ndp';
import { type Neighbour, Neighbours } from './neighbours';
import type { PacketWriter } from './packet-writer';
import type { FragmentPlace } from './reassembly';

const IPV4_HEADER_BYTES = 20;
const IPV4_CHECKSUM_OFFSET = 10;
const IPV6_HEADER_BYTES = 40;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET = 0x1fff;
const DONT_FRAGMENT = 0x4000;

/**
 * The next header of a packet of IPv6 that is a fragment. RFC 8200 section 4.5: 0 u8 next header, 1 u8 reserved, 2 u16
 * offset in its upper 13 bits and the "more" flag in its lowest, 4 u32 identification.
 */
const IPPROTO_FRAGMENT = 44;
const FRAGMENT_HEADER_BYTES = 8;

/** What the gateway hands on. All are called with packets that are whole and whose IP header is sound. */
export interface Transports {
  tcp(packet: IpPacket): void;
  /** The UDP header's lengths and checksum hold; the payload is bytes [start, end). */
  udp(packet: IpPacket, sourcePort: number, destinationPort: number, start: number, end: number): void;
  /** An echo request for somebody else than us. */
  echo(packet: IpPacket): void;
  /** A fragment; answers nothing, but may come back with the whole packet by `receiveIp`. */
  fragment(packet: IpPacket, place: FragmentPlace): void;
}

export interface GatewayOptions {
  readonly mac: MacAddress;
  readonly writer: PacketWriter;
  readonly gateway: IpAddress;
  readonly hostAlias: IpAddress | undefined;
  readonly discovery: NeighbourDiscovery | undefined;
  readonly transports: Transports;
}

/** Counters for people: frames and packets that went nowhere, by reason. */
export interface DropCounters {
  malformed: number;
  checksum: number;
  protocol: number;
}

/** The IP end of a network: takes frames that guests send to us, finds out what they are, and answers or hands on. */
export class Gateway {
  readonly neighbours = new Neighbours();
  readonly drops: DropCounters = { malformed: 0, checksum: 0, protocol: 0 };
  readonly #options: GatewayOptions;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** A frame for us or for everybody. */
  receive(link: Link, source: MacAddress, buffer: PinnedBuffer, start: number, end: number, verified: boolean): void {
    const ip = start + ETHERNET_HEADER_BYTES;
    switch (buffer.view.getUint16(start + ETHERTYPE_OFFSET)) {
      case ETHERTYPE_IPV4:
        this.#receiveIpv4(link, source, buffer, ip, end, verified);
        return;
      case ETHERTYPE_IPV6:
        this.#receiveIpv6(link, source, buffer, ip, end, verified);
        return;
      case ETHERTYPE_ARP:
        this.#receiveArp(link, source, buffer.view, ip, end);
        return;
      default:
        this.drops.protocol++;
    }
  }

  /** An IP packet that is not in a frame, of a guest that has said so much already. */
  receiveIp({ mac, link }: Neighbour, buffer: PinnedBuffer, start: number, end: number, verified: boolean): void {
    if (buffer.view.getUint8(start) >> 4 === 4) this.#receiveIpv4(link, mac, buffer, start, end, verified);
    else this.#receiveIpv6(link, mac, buffer, start, end, verified);
  }

  /** An IPv4 packet at `start`; what lies behind its own length is padding. */
  #receiveIpv4(link: Link, mac: MacAddress, buffer: PinnedBuffer, start: number, end: number, verified: boolean): void {
    const { view } = buffer;
    const headerBytes = end - start >= IPV4_HEADER_BYTES ? (view.getUint8(start) & 0x0f) * 4 : 0;
    const totalBytes = headerBytes === 0 ? 0 : view.getUint16(start + 2);
    if (
      headerBytes < IPV4_HEADER_BYTES ||
      view.getUint8(start) >> 4 !== 4 ||
      totalBytes < headerBytes ||
      start + totalBytes > end
    ) {
      this.drops.malformed++;
      return;
    }
    // VPNKit's own Go client leaves a zero there.
    const isSummed = !verified && view.getUint16(start + IPV4_CHECKSUM_OFFSET) !== 0;
    if (isSummed && finish(sumBytes(view, start, start + headerBytes)) !== 0) {
      this.drops.checksum++;
      return;
    }
    const source = readIpv4(view, start + 12);
    const neighbour =
      source.w3 === 0 ? { mac, link, present: true } : this.neighbours.learn(0, 0, MAPPED_PREFIX, source.w3, mac, link);
    const fragment = view.getUint16(start + 6);
    const packet: IpPacket = {
      neighbour,
      source,
      destination: readIpv4(view, start + 16),
      protocol: view.getUint8(start + 9),
      hopLimit: view.getUint8(start + 8),
      buffer,
      headerStart: start,
      start: start + headerBytes,
      end: start + totalBytes,
      verified,
      dontFragment: (fragment & DONT_FRAGMENT) !== 0,
    };
    const last = (fragment & MORE_FRAGMENTS) === 0;
    const offset = (fragment & FRAGMENT_OFFSET) * 8;
    if (last && offset === 0) this.#dispatch(packet);
    else this.#options.transports.fragment(packet, { identification: view.getUint16(start + 4), offset, last });
  }

  #receiveIpv6(link: Link, mac: MacAddress, buffer: PinnedBuffer, start: number, end: number, verified: boolean): void {
    const { view } = buffer;
    if (this.#options.discovery === undefined) return;
    const sound = end - start >= IPV6_HEADER_BYTES && view.getUint8(start) >> 4 === 6;
    const bodyEnd = sound ? start + IPV6_HEADER_BYTES + view.getUint16(start + 4) : 0;
    if (!sound || bodyEnd > end) {
      this.drops.malformed++;
      return;
    }
    const source = readIpv6(view, start + 8);
    const destination = readIpv6(view, start + 24);
    // Our own form of IPv4 addresses, which has no place on a wire: it would pass for IPv4 everywhere above.
    if (isV4(source) || isV4(destination)) {
      this.drops.malformed++;
      return;
    }
    // Unspecified while a guest finds out whether its address is its own (RFC 4862 section 5.4).
    const unspecified = source.w0 === 0 && source.w1 === 0 && source.w2 === 0 && source.w3 === 0;
    const packet: IpPacket = {
      neighbour: unspecified
        ? { mac, link, present: true }
        : this.neighbours.learn(source.w0, source.w1, source.w2, source.w3, mac, link),
      source,
      destination,
      protocol: view.getUint8(start + 6),
      hopLimit: view.getUint8(start + 7),
      buffer,
      headerStart: start,
      start: start + IPV6_HEADER_BYTES,
      end: bodyEnd,
      verified,
      dontFragment: true,
    };
    if (packet.protocol === IPPROTO_FRAGMENT) this.#receiveIpv6Fragment(packet);
    else this.#dispatch(packet);
  }

  #receiveIpv6Fragment(packet: IpPacket): void {
    const { start, end } = packet;
    const { view } = packet.buffer;
    const protocol = end - start >= FRAGMENT_HEADER_BYTES ? view.getUint8(start) : IPPROTO_FRAGMENT;
    // A fragment of a fragment is nothing that a sender could mean.
    if (protocol === IPPROTO_FRAGMENT) {
      this.drops.malformed++;
      return;
    }
    const inner = { ...packet, protocol, start: start + FRAGMENT_HEADER_BYTES };
    const field = view.getUint16(start + 2);
    const place = { identification: view.getUint32(start + 4), offset: field & ~7, last: (field & 1) === 0 };
    // RFC 6946: whole, and no part of any other.
    if (place.last && place.offset === 0) this.#dispatch(inner);
    else this.#options.transports.fragment(inner, place);
  }

  #dispatch(packet: IpPacket): void {
    switch (packet.protocol) {
      case IPPROTO_TCP:
        this.#options.transports.tcp(packet);
        return;
      case IPPROTO_UDP:
        this.#receiveUdp(packet);
        return;
      case IPPROTO_ICMP:
        if (isV4(packet.source)) this.#receiveIcmp(packet);
        return;
      case IPPROTO_ICMPV6:
        if (!isV4(packet.source)) this.#receiveIcmp(packet);
        return;
      default:
        this.drops.protocol++;
    }
  }

  #receiveUdp(packet: IpPacket): void {
    const { source, destination, start, end, verified } = packet;
    const { view } = packet.buffer;
    const length = end - start >= 8 ? view.getUint16(start + 4) : 0;
    if (length < 8 || start + length > end) {
      this.drops.malformed++;
      return;
    }
    // RFC 768: zero means that the sender made none, which IPv6 doesn't allow (RFC 8200 section 8.1).
    if (!verified && (view.getUint16(start + 6) !== 0 || !isV4(source))) {
      const pseudo = pseudoSum(source, destination, IPPROTO_UDP, length);
      if (finish(sumBytes(view, start, start + length, pseudo)) !== 0) {
        this.drops.checksum++;
        return;
      }
    }
    this.#options.transports.udp(packet, view.getUint16(start), view.getUint16(start + 2), start + 8, start + length);
  }

  #receiveIcmp(packet: IpPacket): void {
    const { discovery, transports } = this.#options;
    if (packet.end - packet.start < 8) {
      this.drops.malformed++;
      return;
    }
    if (!packet.verified && !icmpChecksumHolds(packet)) {
      this.drops.checksum++;
      return;
    }
    if (packet.protocol === IPPROTO_ICMPV6 && discovery?.receive(packet) === true) return;
    if (!isEchoRequest(packet)) return;
    if (this.isOurs(packet.destination)) answerEcho(this.#options.writer, packet);
    else transports.echo(packet);
  }

  /** Whether the address is one that we answer for. */
  isOurs(address: IpAddress): boolean {
    const { gateway, hostAlias, discovery } = this.#options;
    if (sameAddress(address, gateway)) return true;
    if (hostAlias !== undefined && sameAddress(address, hostAlias)) return true;
    return discovery?.isOurs(address) === true;
  }

  /** Tells a guest that its packet went nowhere. */
  refuse(packet: IpPacket, what: 'port' | 'address'): void {
    sendUnreachable(this.#options.writer, packet, what);
  }

  #receiveArp(link: Link, mac: MacAddress, view: DataView, start: number, end: number): void {
    const request = readArpRequest(view, start, end);
    if (request === undefined) return;
    const { gateway, hostAlias, writer, mac: ourMac } = this.#options;
    const neighbour =
      request.senderIp === 0
        ? { mac, link, present: true }
        : this.neighbours.learn(0, 0, MAPPED_PREFIX, request.senderIp, mac, link);
    if (request.targetIp !== gateway.w3 && request.targetIp !== hostAlias?.w3) return;
    sendArpReply(writer, ourMac, neighbour, request);
  }
}
