import { isIPv4, isIPv6 } from 'node:net';

/** Printable, but no backslash, which {@link toText} has a meaning for. */
const LABEL = /^[\x21-\x5b\x5d-\x7e]{1,63}$/;
const MAX_TEXT = 253;

/**
 * A name as people write it, in the folded wire form of {@link foldName}; undefined when it is no name.
 * Case and one dot at the end do not matter; the empty text and "." are the root.
 */
export function toWireName(text: string): string | undefined {
  const plain = text.endsWith('.') ? text.slice(0, -1) : text;
  if (plain === '') return '\0';
  if (plain.length > MAX_TEXT) return undefined;
  let wire = '';
  for (const label of plain.split('.')) {
    if (!LABEL.test(label)) return undefined;
    wire += String.fromCharCode(label.length) + label.toLowerCase();
  }
  return `${wire}\0`;
}

/** The name as text without a dot at the end; bytes that are no plain text are written \DDD (RFC 1035 section 5.1). */
export function toText(wire: string): string {
  const labels: string[] = [];
  for (let at = 0; at < wire.length - 1; ) {
    const length = wire.charCodeAt(at);
    const label = wire.slice(at + 1, at + 1 + length);
    labels.push(label.replace(/[^\x21-\x7e]|[.\\]/g, escapeCharacter));
    at += 1 + length;
  }
  return labels.join('.');
}

function escapeCharacter(character: string): string {
  return character === '.' || character === '\\'
    ? `\\${character}`
    : `\\${String(character.charCodeAt(0)).padStart(3, '0')}`;
}

/** The offsets of a wire name at which it and each of its parents start, longest first, the root last. */
export function* suffixOffsets(wire: string): Generator<number> {
  for (let at = 0; at < wire.length; at += 1 + wire.charCodeAt(at)) yield at;
}

/** An address in the one form that equal addresses share (RFC 5952), undefined when it is none or has a scope. */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** The address that a name below in-addr.arpa or ip6.arpa asks for (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function addressOfReverseName(wire: string): string | undefined {
  const labels = toText(wire).split('.').reverse();
  if (labels[0] !== 'arpa') return undefined;
  const parts = labels.slice(2);
  if (labels[1] === 'in-addr' && parts.length === 4) return canonicalAddress(parts.join('.'));
  if (labels[1] !== 'ip6' || parts.length !== 32 || parts.some((part) => part.length !== 1)) return undefined;
  return canonicalAddress(parts.join('').replace(/.{4}(?!$)/g, '$&:'));
}
