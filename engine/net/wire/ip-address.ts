import { formatIpv4, parseIpv4 } from '../addressing/ipv4';
import { formatIpv6, parseIpv6 } from '../addressing/ipv6';

/**
 * An IPv4 or IPv6 address as four 32-bit words, IPv4 in its mapped form ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so
 * that everything above the IP header is written once for both.
 */
export interface IpAddress {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** One end of a flow; see flow.ts for the same as text. */
export interface IpEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export const MAPPED_PREFIX = 0xffff;

export function ipv4(value: number): IpAddress {
  return { w0: 0, w1: 0, w2: MAPPED_PREFIX, w3: value | 0 };
}

export function isV4({ w0, w1, w2 }: IpAddress): boolean {
  return w0 === 0 && w1 === 0 && w2 === MAPPED_PREFIX;
}

export function sameAddress(a: IpAddress, b: IpAddress): boolean {
  return a.w3 === b.w3 && a.w2 === b.w2 && a.w1 === b.w1 && a.w0 === b.w0;
}

export function readIpv4(view: DataView, offset: number): IpAddress {
  return ipv4(view.getInt32(offset));
}

export function readIpv6(view: DataView, offset: number): IpAddress {
  return {
    w0: view.getInt32(offset),
    w1: view.getInt32(offset + 4),
    w2: view.getInt32(offset + 8),
    w3: view.getInt32(offset + 12),
  };
}

export function writeIpv6(view: DataView, offset: number, { w0, w1, w2, w3 }: IpAddress): void {
  view.setInt32(offset, w0);
  view.setInt32(offset + 4, w1);
  view.setInt32(offset + 8, w2);
  view.setInt32(offset + 12, w3);
}

/** 4 or 16 bytes in network order, as socket calls want them. */
export function toBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  writeIpv6(new DataView(bytes.buffer), 0, address);
  return isV4(address) ? bytes.subarray(12) : bytes;
}

/** From 4 or 16 bytes in network order. */
export function fromBytes(bytes: Uint8Array): IpAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.length === 4 ? readIpv4(view, 0) : readIpv6(view, 0);
}

/** Dotted decimal, or RFC 5952. */
export function formatAddress(address: IpAddress): string {
  return isV4(address) ? formatIpv4(address.w3 >>> 0) : formatIpv6(toBytes(address));
}

/** The address that a text names; undefined when it names none. A zone (`%eth0`) is not part of an address. */
export function parseAddress(text: string): IpAddress | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return ipv4(v4);
  const v6 = parseIpv6(text);
  return v6 && fromBytes(v6);
}
