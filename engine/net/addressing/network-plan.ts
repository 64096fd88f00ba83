import type { Ipv4Prefix } from './ipv4';

/** A network as somebody writes it down: every field may be left out. Addresses are texts. */
export interface NetworkSettings {
  /** The gateway, which also answers DNS, DHCP and proxies. 192.168.65.1; `.1` of the network when only others are given. */
  readonly gateway?: string | undefined;
  /** Stands for the host's own 127.0.0.1; `0.0.0.0` turns it off. 192.168.65.2; `.2` of the gateway's network. */
  readonly hostAlias?: string | undefined;
  /** First address for guests. 192.168.65.3; `.3` of the gateway's network. */
  readonly lowest?: string | undefined;
  /** Last address for guests. 192.168.65.254; `.254` of the gateway's network. */
  readonly highest?: string | undefined;
  /** f6:16:36:bc:f9:c6, VPNKit's. */
  readonly gatewayMac?: string | undefined;
  /** Bytes of an IP packet, see {@link MIN_MTU} and {@link MAX_MTU}. 1500. */
  readonly mtu?: number | undefined;
  /** A /64 for the guests (`fd00:6879:706b:6974::/64`), or false for a network without IPv6. */
  readonly ipv6?: string | false | undefined;
  /** Guests that are known before they come. */
  readonly guests?: readonly GuestSettings[] | undefined;
}

export interface GuestSettings {
  readonly mac: string;
  /** A guest that introduces itself with this UUID gets `mac`, instead of the next free one. */
  readonly uuid?: string | undefined;
  /** A lease of its own, which nobody else gets. May lie outside of `lowest` to `highest`. */
  readonly ip?: string | undefined;
  /** What DHCP calls it. */
  readonly hostname?: string | undefined;
}

/** The addresses of one network, checked: nobody has to doubt them afterwards. */
export interface NetworkPlan {
  readonly gateway: number;
  /** Undefined: there is none. */
  readonly hostAlias: number | undefined;
  readonly lowest: number;
  readonly highest: number;
  /** The smallest network in which the gateway, `lowest` and `highest` are addresses of hosts. */
  readonly prefix: Ipv4Prefix;
  /** 6 bytes. */
  readonly gatewayMac: Uint8Array;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  /** Undefined: IPv4 only. */
  readonly ipv6: Ipv6Plan | undefined;
  readonly guests: readonly KnownGuest[];
}

/** Addresses of 16 bytes. */
export interface Ipv6Plan {
  /** The /64 that guests make themselves addresses in; the last 8 bytes are zero. */
  readonly prefix: Uint8Array;
  /** `::1` of the prefix. */
  readonly gateway: Uint8Array;
  /** `::2` of the prefix; stands for the host's own ::1. Undefined when the IPv4 alias is off. */
  readonly hostAlias: Uint8Array | undefined;
  /** What router advertisements come from (RFC 4861 section 4.2), made of the gateway's MAC. */
  readonly gatewayLinkLocal: Uint8Array;
}

export interface KnownGuest {
  /** As formatMac writes it. */
  readonly mac: string;
  /** Lower case. */
  readonly uuid: string | undefined;
  readonly ip: number | undefined;
  readonly hostname: string | undefined;
}

/**
 * RFC 2131 section 2 and RFC 1035 section 4.2.1 let servers send DHCP messages of 576 bytes and DNS answers of 512
 * without asking, and the gateway sends every datagram in one piece.
 */
export const MIN_MTU = 576;

/** VPNKit's streams put the length of a frame in 16 bits, and 14 of its bytes are the Ethernet header. */
export const MAX_MTU = 65_535 - 14;

/** RFC 8200 section 5: no link may carry less. */
export const MIN_IPV6_MTU = 1280;

export const DEFAULT_MTU = 1500;
export const DEFAULT_GATEWAY = '192.168.65.1';
export const DEFAULT_GATEWAY_MAC = 'f6:16:36:bc:f9:c6';

/**
 * The same for every network, like 192.168.65.0/24 and for the same reason: it never leaves the host, so it can't
 * meet another one, and what people write into forwards and hosts files stays right. A unique local address
 * (RFC 4193) also makes guests prefer IPv4 for hosts that have both (RFC 6724), whatever the host's own IPv6 is like.
 * The forty bits of the global id and the subnet spell "hypkit".
 */
export const DEFAULT_IPV6_PREFIX = 'fd00:6879:706b:6974::/64';
