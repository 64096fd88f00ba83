import { domainToASCII } from 'node:url';

const MAX_NAME = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * A domain name as it is written on the wire: lower case, without the closing dot, Punycode where it has other
 * letters. Undefined when it is none: too long, empty, or with characters that resolvers refuse.
 */
export function normalizeDomain(text: string): string | undefined {
  const bare = text.trim().replace(/\.$/, '').toLowerCase();
  if (bare.length > MAX_NAME) return undefined;
  // Looked at before: domainToASCII, made for URLs, cuts paths off and takes line breaks out.
  if (!/^[a-z0-9_.\-\P{ASCII}]*$/u.test(bare)) return undefined;
  const name = /^\p{ASCII}*$/u.test(bare) ? bare : domainToASCII(bare);
  return name.length <= MAX_NAME && name.split('.').every((label) => LABEL.test(label)) ? name : undefined;
}

/**
 * A list of domains as RFC 3397 writes it: DNS names one after the other, with the pointers of RFC 1035 section 4.1.4 to
 * endings that were there before. Takes as many, from the start, as fit into `maxBytes`.
 */
export function encodeDomainSearch(domains: readonly string[], maxBytes: number): Uint8Array {
  const offsets = new Map<string, number>();
  let encoded = Buffer.alloc(0);
  for (const domain of domains) {
    const next = Buffer.concat([encoded, encodeName(domain, encoded.length, offsets)]);
    if (next.length > maxBytes) break;
    encoded = next;
  }
  return encoded;
}

/** `offsets` says where endings stand already and learns those of this name. */
function encodeName(name: string, start: number, offsets: Map<string, number>): Buffer {
  const parts: Buffer[] = [];
  let position = start;
  const labels = name.split('.');
  for (const [index, label] of labels.entries()) {
    const ending = labels.slice(index).join('.');
    const known = offsets.get(ending);
    if (known !== undefined) return Buffer.concat([...parts, Buffer.of(0xc0 | (known >>> 8), known & 0xff)]);
    // A pointer has 14 bits.
    if (position < 0x4000) offsets.set(ending, position);
    parts.push(Buffer.of(label.length), Buffer.from(label, 'latin1'));
    position += 1 + label.length;
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}
