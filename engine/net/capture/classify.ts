/** What a frame is about, as bits: a frame can be in several classes. */
export const FRAME_DNS = 1;
export const FRAME_NTP = 2;
export const FRAME_ICMP = 4;
export const FRAME_HTTP_PROXY = 8;
/** Something that promises more bytes than it has, or contradicts itself. */
export const FRAME_BAD = 16;

const ETHERNET_BYTES = 14;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;
const ARP_BYTES = 28;
const IPV6_BYTES = 40;

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;

// RFC 8200 section 4: the extension headers that have a length in units of eight bytes; the fragment header has none.
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;
const MAX_EXTENSION_HEADERS = 8;

const DNS_PORT = 53;
const NTP_PORT = 123;
const HTTP_PROXY_PORT = 3128;
const HTTPS_PROXY_PORT = 3129;

/** The classes of the Ethernet frame `frame[offset … offset + length)`; any bytes will do. */
export function classifyFrame(frame: Uint8Array, offset: number, length: number): number {
  if (length < ETHERNET_BYTES || offset + length > frame.length) return FRAME_BAD;
  const start = offset + ETHERNET_BYTES;
  const end = offset + length;
  switch (readUint16(frame, offset + 12)) {
    case ETHERTYPE_IPV4:
      return classifyIpv4(frame, start, end);
    case ETHERTYPE_IPV6:
      return classifyIpv6(frame, start, end);
    case ETHERTYPE_ARP:
      return end - start < ARP_BYTES ? FRAME_BAD : 0;
    default:
      return 0;
  }
}

/** RFC 791 section 3.1. What follows the total length is Ethernet's padding. */
function classifyIpv4(frame: Uint8Array, start: number, end: number): number {
  if (end - start < 20 || frame[start]! >> 4 !== 4) return FRAME_BAD;
  const headerBytes = (frame[start]! & 0xf) * 4;
  const totalBytes = readUint16(frame, start + 2);
  if (headerBytes < 20 || totalBytes < headerBytes || totalBytes > end - start) return FRAME_BAD;
  const fragment = readUint16(frame, start + 6);
  const isLater = (fragment & 0x1fff) !== 0;
  const hasMore = (fragment & 0x2000) !== 0;
  return classifyPayload(frame, start + headerBytes, start + totalBytes, frame[start + 9]!, isLater, hasMore);
}

function classifyIpv6(frame: Uint8Array, start: number, end: number): number {
  if (end - start < IPV6_BYTES || frame[start]! >> 4 !== 6) return FRAME_BAD;
  const payloadEnd = start + IPV6_BYTES + readUint16(frame, start + 4);
  if (payloadEnd > end) return FRAME_BAD;
  let next = frame[start + 6]!;
  let at = start + IPV6_BYTES;
  for (let count = 0; count < MAX_EXTENSION_HEADERS; count++) {
    const isOptions = next === HOP_BY_HOP || next === ROUTING || next === DESTINATION_OPTIONS;
    if (!isOptions && next !== FRAGMENT) return classifyPayload(frame, at, payloadEnd, next, false, false);
    if (payloadEnd - at < 8) return FRAME_BAD;
    const protocol = frame[at]!;
    if (next === FRAGMENT) {
      const fragment = readUint16(frame, at + 2);
      return classifyPayload(frame, at + 8, payloadEnd, protocol, fragment >> 3 !== 0, (fragment & 1) !== 0);
    }
    at += (frame[at + 1]! + 1) * 8;
    if (at > payloadEnd) return FRAME_BAD;
    next = protocol;
  }
  return FRAME_BAD;
}

function classifyPayload(
  frame: Uint8Array,
  start: number,
  end: number,
  protocol: number,
  isLaterFragment: boolean,
  hasMoreFragments: boolean,
): number {
  if (protocol === ICMP || protocol === ICMPV6) return isLaterFragment || end - start >= 4 ? FRAME_ICMP : FRAME_BAD;
  if (isLaterFragment || (protocol !== TCP && protocol !== UDP)) return 0;
  if (end - start < 8) return FRAME_BAD;
  if (protocol === UDP) {
    const bytes = readUint16(frame, start + 4);
    if (bytes < 8 || (bytes > end - start && !hasMoreFragments)) return FRAME_BAD;
  } else {
    if (end - start < 20) return FRAME_BAD;
    const headerBytes = (frame[start + 12]! >> 4) * 4;
    if (headerBytes < 20 || headerBytes > end - start) return FRAME_BAD;
  }
  return classifyPort(readUint16(frame, start), protocol) | classifyPort(readUint16(frame, start + 2), protocol);
}

function classifyPort(port: number, protocol: number): number {
  if (port === DNS_PORT) return FRAME_DNS;
  if (protocol === UDP) return port === NTP_PORT ? FRAME_NTP : 0;
  return port === HTTP_PROXY_PORT || port === HTTPS_PROXY_PORT ? FRAME_HTTP_PROXY : 0;
}

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
