import { finish, fold, sumBytes } from '../wire/checksum';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, ETHERTYPE_OFFSET } from '../wire/ethernet';
import type { OutgoingFrame } from './link';
import { HEADROOM } from './link';

const TCP_SEQUENCE = 4;
const TCP_FLAGS = 13;
const TCP_FIN_PSH = 0x01 | 0x08;
const IPV4_LENGTH = 2;
const IPV4_ID = 4;
const IPV4_CHECKSUM = 10;
const IPV6_LENGTH = 4;
const IPV6_HEADER_BYTES = 40;

/** How many frames `writeFrames` makes of one. */
export function frameCount({ segmentBytes, payloadBytes }: OutgoingFrame): number {
  return segmentBytes > 0 && payloadBytes > segmentBytes ? Math.ceil(payloadBytes / segmentBytes) : 1;
}

/**
 * Does what a NIC with offloads would: writes a frame as complete frames, each with its own lengths, sequence number,
 * flags and checksums, to `target` from `offset` on, calling `prefix` before each with its place and length. Answers
 * the offset after the last. The room is the caller's to check: `frameCount` × (headers + prefix) + payload.
 */
export function writeFrames(
  frame: OutgoingFrame,
  target: Buffer,
  view: DataView,
  offset: number,
  prefixBytes: number,
  prefix: (view: DataView, offset: number, frameBytes: number) => void,
): number {
  const { header, headerBytes, payload, payloadStart, payloadBytes, checksumStart, checksumOffset } = frame;
  const count = frameCount(frame);
  const step = count === 1 ? payloadBytes : frame.segmentBytes;
  let out = offset;
  for (let index = 0; index < count; index++) {
    const from = index * step;
    const length = Math.min(step, payloadBytes - from);
    prefix(view, out, headerBytes + length);
    out += prefixBytes;
    header.bytes.copy(target, out, HEADROOM, HEADROOM + headerBytes);
    const body = out + headerBytes;
    if (length > 0) payload.bytes.copy(target, body, payloadStart + from, payloadStart + from + length);
    if (count > 1) adjustSegment(view, out, checksumStart, from, length, headerBytes, index, index === count - 1);
    if (checksumStart >= 0) {
      const start = out + checksumStart;
      const pseudo = count > 1 ? pseudoSum(view, out, checksumStart, length) : view.getUint16(start + checksumOffset);
      view.setUint16(start + checksumOffset, 0);
      const sum = finish(sumBytes(view, start, body + length, pseudo));
      // RFC 768: a UDP checksum of zero means none; TCP doesn't mind.
      view.setUint16(start + checksumOffset, sum === 0 ? 0xffff : sum);
    }
    out = body + length;
  }
  return out;
}

function adjustSegment(
  view: DataView,
  start: number,
  tcpStart: number,
  from: number,
  length: number,
  headerBytes: number,
  index: number,
  last: boolean,
): void {
  const tcp = start + tcpStart;
  const ip = start + ETHERNET_HEADER_BYTES;
  view.setUint32(tcp + TCP_SEQUENCE, view.getUint32(tcp + TCP_SEQUENCE) + from);
  if (!last) view.setUint8(tcp + TCP_FLAGS, view.getUint8(tcp + TCP_FLAGS) & ~TCP_FIN_PSH);
  if (view.getUint16(start + ETHERTYPE_OFFSET) === ETHERTYPE_IPV4) {
    view.setUint16(ip + IPV4_LENGTH, headerBytes - ETHERNET_HEADER_BYTES + length);
    view.setUint16(ip + IPV4_ID, view.getUint16(ip + IPV4_ID) + index);
    view.setUint16(ip + IPV4_CHECKSUM, 0);
    view.setUint16(ip + IPV4_CHECKSUM, finish(sumBytes(view, ip, tcp)));
  } else {
    view.setUint16(ip + IPV6_LENGTH, headerBytes - ETHERNET_HEADER_BYTES - IPV6_HEADER_BYTES + length);
  }
}

/** RFC 9293 section 3.1 and RFC 8200 section 8.1: addresses, protocol, length. */
function pseudoSum(view: DataView, start: number, tcpStart: number, length: number): number {
  const ip = start + ETHERNET_HEADER_BYTES;
  const headerBytes = (view.getUint8(start + tcpStart + 12) >> 4) * 4;
  const isV4 = view.getUint16(start + ETHERTYPE_OFFSET) === ETHERTYPE_IPV4;
  const addresses = isV4 ? sumBytes(view, ip + 12, ip + 20) : sumBytes(view, ip + 8, ip + 40);
  return fold(addresses + 6 + headerBytes + length);
}
