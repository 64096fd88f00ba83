import { formatIpv4, parseIpv4 } from './ipv4';

const GROUPS = 8;
export const IPV6_BYTES = 16;
/** Eight groups with an IPv4 address in place of the last two: the longest way to write one. */
const MAX_TEXT = 45;

/** The forms of RFC 4291 section 2.2 as 16 bytes; a zone (`%eth0`) is no part of an address and is refused. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const gap = text.indexOf('::');
  const head = readGroups(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const tail = gap < 0 ? [] : readGroups(text.slice(gap + 2), true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = GROUPS - head.length - tail.length;
  // "::" stands for at least one group.
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined;
  const address = new Uint8Array(IPV6_BYTES);
  [...head, ...Array<number>(missing).fill(0), ...tail].forEach((group, index) => {
    address[2 * index] = group >>> 8;
    address[2 * index + 1] = group & 0xff;
  });
  return address;
}

/** As RFC 5952 writes it: lower case, the longest run of zeros (the first of equals) as "::", mapped IPv4 with dots. */
export function formatIpv6(address: Uint8Array): string {
  const groups = readAddress(address);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(groups[6]! * 0x1_0000 + groups[7]!)}`;
  }
  const { start, length } = longestZeros(groups);
  const write = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return write(groups);
  return `${write(groups.slice(0, start))}::${write(groups.slice(start + length))}`;
}

/** The address of interface `id` (8 bytes) in the network of the first 8 bytes of `prefix`. */
export function joinIpv6(prefix: Uint8Array, id: Uint8Array): Uint8Array {
  const address = new Uint8Array(IPV6_BYTES);
  address.set(prefix.subarray(0, 8));
  address.set(id.subarray(0, 8), 8);
  return address;
}

/** Groups of 16 bits; an IPv4 address may be the last two of the address. */
function readGroups(text: string, endsAddress: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const embedded = endsAddress && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (embedded === undefined) return undefined;
    groups.push(embedded >>> 16, embedded & 0xffff);
  }
  return groups;
}

function readAddress(address: Uint8Array): readonly number[] {
  return Array.from({ length: GROUPS }, (_, index) => address[2 * index]! * 256 + address[2 * index + 1]!);
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
