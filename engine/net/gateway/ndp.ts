import { IPPROTO_ICMPV6 } from '../../../native/sockets';
import { type MacAddress, writeMac } from '../wire/ethernet';
import {
  ICMP_HEADER_BYTES,
  ICMPV6_NEIGHBOUR_ADVERTISEMENT,
  ICMPV6_NEIGHBOUR_SOLICITATION,
  ICMPV6_ROUTER_ADVERTISEMENT,
  ICMPV6_ROUTER_SOLICITATION,
} from '../wire/icmp';
import { type IpAddress, readIpv6, sameAddress, writeIpv6 } from '../wire/ip-address';
import type { IpPacket } from './ip-packet';
import type { PacketWriter } from './packet-writer';

// Neighbour discovery, RFC 4861 section 4; RDNSS, RFC 8106 section 5.1. Options: u8 type, u8 length in 8 bytes.
const NDP_HOP_LIMIT = 255;
const TARGET_LINK_ADDRESS_OPTION = 0x0201;
const SOURCE_LINK_ADDRESS_OPTION = 0x0101;
const PREFIX_OPTION = 0x0304;
const MTU_OPTION = 0x0501;
const RDNSS_OPTION = 0x1903;
const ON_LINK_AND_AUTONOMOUS = 0xc0;
const ROUTER_SOLICITED_OVERRIDE = 0xe000_0000;
const ROUTER_OVERRIDE = 0xa000_0000;
const PREFIX_LIFETIME_S = 86_400;
const ALL_NODES: IpAddress = { w0: 0xff02_0000 | 0, w1: 0, w2: 0, w3: 1 };
const UNSPECIFIED: IpAddress = { w0: 0, w1: 0, w2: 0, w3: 0 };

/** What guests are told about IPv6. */
export interface Ipv6Network {
  /** Our address inside of the prefix; also the name server. */
  readonly gateway: IpAddress;
  readonly hostAlias: IpAddress | undefined;
  readonly prefixBits: 64;
  readonly mtu: number;
  /** Seconds for which guests use us as their way out; 0 where the host itself has no way out over IPv6. */
  readonly routerLifetimeS: number;
}

/** fe80:: with the EUI-64 of our MAC (RFC 4291 appendix A): where router advertisements must come from. */
export function linkLocalAddress(mac: MacAddress): IpAddress {
  const high = Math.floor(mac / 0x100_0000) ^ 0x02_0000;
  const low = mac % 0x100_0000;
  return { w0: 0xfe80_0000 | 0, w1: 0, w2: (high << 8) | 0xff | 0, w3: 0xfe00_0000 | low | 0 };
}

/** Answers router and neighbour solicitations. */
export class NeighbourDiscovery {
  readonly #linkLocal: IpAddress;

  constructor(
    private readonly writer: PacketWriter,
    private readonly mac: MacAddress,
    private readonly network: Ipv6Network,
  ) {
    this.#linkLocal = linkLocalAddress(mac);
  }

  isOurs(address: IpAddress): boolean {
    const { gateway, hostAlias } = this.network;
    return (
      sameAddress(address, gateway) ||
      sameAddress(address, this.#linkLocal) ||
      (hostAlias !== undefined && sameAddress(address, hostAlias))
    );
  }

  /** A message whose checksum holds; false when it is not one of discovery's. */
  receive(packet: IpPacket): boolean {
    const { buffer, start, end, hopLimit } = packet;
    const type = buffer.view.getUint8(start);
    if (type < ICMPV6_ROUTER_SOLICITATION || type > ICMPV6_NEIGHBOUR_ADVERTISEMENT + 1) return false;
    if (hopLimit !== NDP_HOP_LIMIT || buffer.view.getUint8(start + 1) !== 0) return true;
    if (type === ICMPV6_ROUTER_SOLICITATION) this.#advertiseRouter(packet);
    if (type === ICMPV6_NEIGHBOUR_SOLICITATION && end - start >= 24) {
      const target = readIpv6(buffer.view, start + 8);
      if (this.isOurs(target)) this.#advertiseNeighbour(packet, target);
    }
    return true;
  }

  #advertiseNeighbour({ neighbour, source }: IpPacket, target: IpAddress): void {
    const { view } = this.writer;
    const toAll = sameAddress(source, UNSPECIFIED);
    const offset = this.writer.begin(neighbour, target, toAll ? ALL_NODES : source, IPPROTO_ICMPV6, NDP_HOP_LIMIT);
    view.setUint16(offset, ICMPV6_NEIGHBOUR_ADVERTISEMENT << 8);
    view.setUint32(offset + 4, toAll ? ROUTER_OVERRIDE : ROUTER_SOLICITED_OVERRIDE);
    writeIpv6(view, offset + 8, target);
    view.setUint16(offset + 24, TARGET_LINK_ADDRESS_OPTION);
    writeMac(view, offset + 26, this.mac);
    this.writer.send(neighbour.link, 32, 2);
  }

  /** Unicast to who asks: routers may (RFC 4861 section 6.2.6), and others did not ask. */
  #advertiseRouter({ neighbour, source }: IpPacket): void {
    const { view } = this.writer;
    const { gateway, mtu, routerLifetimeS } = this.network;
    const to = sameAddress(source, UNSPECIFIED) ? ALL_NODES : source;
    const offset = this.writer.begin(neighbour, this.#linkLocal, to, IPPROTO_ICMPV6, NDP_HOP_LIMIT);
    view.setUint16(offset, ICMPV6_ROUTER_ADVERTISEMENT << 8);
    view.setUint32(offset + 4, (64 << 24) | routerLifetimeS);
    view.setUint32(offset + 8, 0);
    view.setUint32(offset + 12, 0);
    let option = offset + ICMP_HEADER_BYTES + 8;
    view.setUint16(option, SOURCE_LINK_ADDRESS_OPTION);
    writeMac(view, option + 2, this.mac);
    option += 8;
    view.setUint16(option, MTU_OPTION);
    view.setUint16(option + 2, 0);
    view.setUint32(option + 4, mtu);
    option += 8;
    view.setUint16(option, PREFIX_OPTION);
    view.setUint16(option + 2, (64 << 8) | ON_LINK_AND_AUTONOMOUS);
    view.setUint32(option + 4, PREFIX_LIFETIME_S);
    view.setUint32(option + 8, PREFIX_LIFETIME_S);
    view.setUint32(option + 12, 0);
    writeIpv6(view, option + 16, { ...gateway, w2: 0, w3: 0 });
    option += 32;
    view.setUint16(option, RDNSS_OPTION);
    view.setUint16(option + 2, 0);
    view.setUint32(option + 4, PREFIX_LIFETIME_S);
    writeIpv6(view, option + 8, gateway);
    option += 24;
    this.writer.send(neighbour.link, option - offset, 2);
  }
}
