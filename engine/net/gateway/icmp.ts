import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '../../../native/sockets';
import { finish, sumBytes } from '../wire/checksum';
import {
  ICMP_CODE_HOST,
  ICMP_CODE_PORT,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER_BYTES,
  ICMP_UNREACHABLE,
  ICMPV6_CODE_ADDRESS,
  ICMPV6_CODE_PORT,
  ICMPV6_ECHO,
  ICMPV6_ECHO_REPLY,
  ICMPV6_UNREACHABLE,
} from '../wire/icmp';
import { isV4 } from '../wire/ip-address';
import { pseudoSum } from '../wire/pseudo-header';
import type { IpPacket } from './ip-packet';
import type { PacketWriter } from './packet-writer';

/** RFC 1812 section 4.3.2.3 and RFC 4443 section 3: as much of the packet as keeps the error small. */
const QUOTED_BYTES = 64;

/** Answers an echo request that is for ourselves. */
export function answerEcho(writer: PacketWriter, packet: IpPacket): void {
  const { buffer, start, end, neighbour, source, destination } = packet;
  const view = writer.view;
  const v4 = isV4(source);
  const offset = writer.begin(neighbour, destination, source, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  view.setUint8(offset, v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY);
  view.setUint8(offset + 1, 0);
  view.setUint32(offset + 4, buffer.view.getUint32(start + 4));
  const body = start + ICMP_HEADER_BYTES;
  if (v4) {
    view.setUint16(offset + 2, 0);
    const sum = sumBytes(view, offset, offset + ICMP_HEADER_BYTES);
    view.setUint16(offset + 2, finish(sumBytes(buffer.view, body, end, sum)));
  }
  writer.send(neighbour.link, ICMP_HEADER_BYTES, v4 ? -1 : 2, buffer, body, end - body);
}

export function isEchoRequest({ protocol, buffer, start, end }: IpPacket): boolean {
  if (end - start < ICMP_HEADER_BYTES) return false;
  const type = buffer.view.getUint8(start);
  return protocol === IPPROTO_ICMP ? type === ICMP_ECHO : protocol === IPPROTO_ICMPV6 && type === ICMPV6_ECHO;
}

/** Whether the ICMP checksum holds; ICMPv6's covers a pseudo header. */
export function icmpChecksumHolds({ source, destination, protocol, buffer, start, end }: IpPacket): boolean {
  const pseudo = protocol === IPPROTO_ICMPV6 ? pseudoSum(source, destination, protocol, end - start) : 0;
  return finish(sumBytes(buffer.view, start, end, pseudo)) === 0;
}

/** Tells the guest that nobody is at the port, or at the address, that its packet was for. */
export function sendUnreachable(writer: PacketWriter, packet: IpPacket, what: 'port' | 'address'): void {
  const { buffer, headerStart, end, neighbour, source, destination } = packet;
  const { view } = writer;
  const v4 = isV4(source);
  const offset = writer.begin(neighbour, destination, source, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  view.setUint8(offset, v4 ? ICMP_UNREACHABLE : ICMPV6_UNREACHABLE);
  if (v4) view.setUint8(offset + 1, what === 'port' ? ICMP_CODE_PORT : ICMP_CODE_HOST);
  else view.setUint8(offset + 1, what === 'port' ? ICMPV6_CODE_PORT : ICMPV6_CODE_ADDRESS);
  view.setUint16(offset + 2, 0);
  view.setUint32(offset + 4, 0);
  const quoted = Math.min(QUOTED_BYTES, end - headerStart);
  buffer.bytes.copy(writer.bytes, offset + ICMP_HEADER_BYTES, headerStart, headerStart + quoted);
  const length = ICMP_HEADER_BYTES + quoted;
  if (v4) view.setUint16(offset + 2, finish(sumBytes(view, offset, offset + length)));
  writer.send(neighbour.link, length, v4 ? -1 : 2);
}
