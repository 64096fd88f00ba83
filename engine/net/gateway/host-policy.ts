import { type IpAddress, ipv4, isV4, sameAddress } from '../wire/ip-address';

/** The network's own addresses, of one family. */
export interface OwnAddresses {
  readonly gateway: IpAddress;
  /** Stands for the host's loopback; undefined: there is none. */
  readonly hostAlias: IpAddress | undefined;
  /** Bits of the prefix that the guests share with the gateway. */
  readonly prefixBits: number;
}

/**
 * Which services of the host's loopback a guest may reach by the host alias. Programs that listen on 127.0.0.1 take for
 * granted that only this host's users reach them, so a network lets nobody in unless it is told.
 */
export type HostAccess = 'none' | 'all' | ReadonlySet<number>;

/** Where a packet of a guest for `address` is to go. */
export type Destination =
  /** To the gateway's own services. */
  | { readonly kind: 'gateway' }
  /** To this address, from the host. */
  | { readonly kind: 'host'; readonly address: IpAddress }
  /** The guest is told that it can't. */
  | { readonly kind: 'refuse' }
  /** Not for anybody. */
  | { readonly kind: 'drop' };

export interface PolicyOptions {
  readonly own: readonly OwnAddresses[];
  readonly hostAccess: HostAccess;
  /** 169.254.0.0/16 is where clouds hand out the host's own credentials; closed unless told. */
  readonly linkLocal: boolean;
}

const GATEWAY: Destination = { kind: 'gateway' };
const REFUSE: Destination = { kind: 'refuse' };
const DROP: Destination = { kind: 'drop' };
const LOOPBACK_V4 = ipv4(0x7f00_0001);
const LOOPBACK_V6: IpAddress = { w0: 0, w1: 0, w2: 0, w3: 1 };

/** Decides for every packet that leaves a guest. */
export class HostPolicy {
  constructor(private readonly options: PolicyOptions) {}

  destinationOf(address: IpAddress, port: number): Destination {
    for (const { gateway, hostAlias, prefixBits } of this.options.own) {
      if (sameAddress(address, gateway)) return GATEWAY;
      if (hostAlias !== undefined && sameAddress(address, hostAlias)) return this.#loopback(address, port);
      if (samePrefix(address, gateway, prefixBits)) return isBroadcast(address, gateway, prefixBits) ? DROP : REFUSE;
    }
    return isV4(address) ? this.#v4(address) : v6(address);
  }

  #loopback(address: IpAddress, port: number): Destination {
    const { hostAccess } = this.options;
    const open = hostAccess === 'all' || (hostAccess !== 'none' && hostAccess.has(port));
    return open ? { kind: 'host', address: isV4(address) ? LOOPBACK_V4 : LOOPBACK_V6 } : REFUSE;
  }

  #v4(address: IpAddress): Destination {
    const first = address.w3 >>> 24;
    // RFC 6890: this network, loopback, multicast, reserved and broadcast.
    if (first === 0 || first === 127 || first >= 224) return DROP;
    if (address.w3 >>> 16 === 0xa9fe && !this.options.linkLocal) return REFUSE;
    return { kind: 'host', address };
  }
}

function v6(address: IpAddress): Destination {
  const multicast = address.w0 >>> 24 === 0xff;
  const linkLocal = (address.w0 & 0xffc0_0000) === (0xfe80_0000 | 0);
  // Multicast, ::/32 (unspecified, loopback, mapped) and link-local are nobody's beyond this link. 64:ff9b::/96 is NAT64.
  return multicast || address.w0 === 0 || linkLocal ? DROP : { kind: 'host', address };
}

/** Bits are counted in the family's own address: 24 for 192.168.65.0/24. */
function samePrefix(a: IpAddress, b: IpAddress, bits: number): boolean {
  if (isV4(a) !== isV4(b)) return false;
  if (isV4(a)) return bits === 0 || (a.w3 ^ b.w3) >>> (32 - bits) === 0;
  const words: readonly number[] = [a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3];
  return words.every((word, index) => {
    const left = bits - 32 * index;
    return left <= 0 || word >>> Math.max(0, 32 - left) === 0;
  });
}

function isBroadcast(address: IpAddress, gateway: IpAddress, bits: number): boolean {
  if (!isV4(gateway) || bits >= 31) return false;
  const mask = 0xffff_ffff >>> bits;
  return (address.w3 & mask) >>> 0 === mask >>> 0;
}
