import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP } from '../../../native/sockets';
import type { UdpFailure } from '../udp/udp-nat';
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
import { type IpAddress, isV4, writeIpv6 } from '../wire/ip-address';
import { pseudoSum } from '../wire/pseudo-header';
import type { IpPacket } from './ip-packet';
import type { Neighbour } from './neighbours';
import type { PacketWriter } from './packet-writer';

/** RFC 1812 section 4.3.2.3 and RFC 4443 section 3: as much of the packet as keeps the error small. */
const QUOTED_BYTES = 64;
/** An IPv4 and a UDP header. */
const UDP_QUOTE_BYTES = 28;

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
  writer.sendDatagram(neighbour.link, ICMP_HEADER_BYTES, v4 ? -1 : 2, buffer, body, end - body);
}

/** Sends an echo reply that came from elsewhere: the ICMP message [start, end), whose checksum is made anew. */
export function passEchoReply(
  writer: PacketWriter,
  neighbour: Neighbour,
  source: IpAddress,
  guest: IpAddress,
  buffer: PinnedBuffer,
  start: number,
  end: number,
): void {
  const v4 = isV4(guest);
  const { view } = writer;
  const offset = writer.begin(neighbour, source, guest, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  view.setUint32(offset, buffer.view.getUint16(start) << 16);
  view.setUint32(offset + 4, buffer.view.getUint32(start + 4));
  const body = start + ICMP_HEADER_BYTES;
  if (v4) {
    const sum = sumBytes(view, offset, offset + ICMP_HEADER_BYTES);
    view.setUint16(offset + 2, finish(sumBytes(buffer.view, body, end, sum)));
  }
  writer.sendDatagram(neighbour.link, ICMP_HEADER_BYTES, v4 ? -1 : 2, buffer, body, end - body);
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

/**
 * Passes an ICMP message about a guest's UDP datagram on to the guest: who said it, and the headers of the datagram as
 * the guest sent it.
 */
export function sendUdpFailure(writer: PacketWriter, neighbour: Neighbour, failure: UdpFailure): void {
  const { guest, guestPort, remote, remotePort, reporter, type, code, info } = failure;
  const { view } = writer;
  const v4 = isV4(guest);
  if (isV4(reporter) !== v4 || isV4(remote) !== v4) return;
  const offset = writer.begin(neighbour, reporter, guest, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  view.setUint8(offset, type);
  view.setUint8(offset + 1, code);
  view.setUint16(offset + 2, 0);
  // The next hop's MTU: RFC 1191 section 4, RFC 4443 section 3.2.
  view.setUint32(offset + 4, info);
  const ip = offset + ICMP_HEADER_BYTES;
  const udp = ip + (v4 ? 20 : 40);
  if (v4) {
    view.setUint32(ip, 0x4500_0000 | UDP_QUOTE_BYTES);
    view.setUint32(ip + 4, 0);
    view.setUint32(ip + 8, (1 << 24) | (IPPROTO_UDP << 16));
    view.setInt32(ip + 12, guest.w3);
    view.setInt32(ip + 16, remote.w3);
    view.setUint16(ip + 10, finish(sumBytes(view, ip, udp)));
  } else {
    view.setUint32(ip, 0x6000_0000);
    view.setUint32(ip + 4, (8 << 16) | (IPPROTO_UDP << 8) | 1);
    writeIpv6(view, ip + 8, guest);
    writeIpv6(view, ip + 24, remote);
  }
  view.setUint16(udp, guestPort);
  view.setUint16(udp + 2, remotePort);
  view.setUint16(udp + 4, 8);
  view.setUint16(udp + 6, 0);
  const length = udp + 8 - offset;
  if (v4) view.setUint16(offset + 2, finish(sumBytes(view, offset, offset + length)));
  writer.send(neighbour.link, length, v4 ? -1 : 2);
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
