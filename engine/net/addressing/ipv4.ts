/** An IPv4 address is a number, its 32 bits unsigned: 192.168.65.1 is 0xc0a84101. */

/** A network: `address` has no bits set beyond the first `bits`. */
export interface Ipv4Prefix {
  readonly address: number;
  readonly bits: number;
}

const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const DOTTED = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

/** Four decimal numbers and nothing else: leading zeros, which some readers take for octal, are refused. */
export function parseIpv4(text: string): number | undefined {
  const octets = DOTTED.exec(text);
  if (octets === null) return undefined;
  return octets.slice(1).reduce((address, octet) => address * 256 + Number(octet), 0);
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function netmaskOf(bits: number): number {
  return bits === 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0;
}

export function prefixOf(address: number, bits: number): Ipv4Prefix {
  return { address: (address & netmaskOf(bits)) >>> 0, bits };
}

/** The highest address of a network, which all of its hosts listen to. */
export function broadcastOf({ address, bits }: Ipv4Prefix): number {
  return (address | ~netmaskOf(bits)) >>> 0;
}

export function prefixContains({ address, bits }: Ipv4Prefix, candidate: number): boolean {
  return (candidate & netmaskOf(bits)) >>> 0 === address;
}

/** The smallest network with all of these addresses in it. */
export function smallestPrefix(first: number, ...others: readonly number[]): Ipv4Prefix {
  let prefix = prefixOf(first, 32);
  while (!others.every((other) => prefixContains(prefix, other))) prefix = prefixOf(first, prefix.bits - 1);
  return prefix;
}

/**
 * Whether a host can have this address at all: not "this network" (0/8), loopback (127/8), multicast or reserved
 * (from 224 up); RFC 6890.
 */
export function isHostAddress(address: number): boolean {
  const high = address >>> 24;
  return high !== 0 && high !== 127 && high < 224;
}
