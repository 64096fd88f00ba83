import { isIPv4 } from 'node:net';

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
  const bytes = toBytes(address);
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0));
  // The longest run of two or more zero groups, the first of equals, becomes "::".
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

/** The address that a text names; undefined when it names none. A zone (`%eth0`) is not part of an address. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) {
    const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
    return ipv4((a << 24) | (b << 16) | (c << 8) | d);
  }
  try {
    // The URL parser expands what RFC 4291 allows: "::", upper case, a dotted end.
    const { hostname } = new URL(`http://[${text}]/`);
    const [left = '', right] = hostname.slice(1, -1).split('::');
    const head = left === '' ? [] : left.split(':');
    const tail = right === undefined || right === '' ? [] : right.split(':');
    const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
    const words = groups.map((group) => Number.parseInt(group, 16));
    const word = (index: number): number => ((words[2 * index] ?? 0) << 16) | (words[2 * index + 1] ?? 0);
    return { w0: word(0), w1: word(1), w2: word(2), w3: word(3) };
  } catch {
    return undefined;
  }
}
