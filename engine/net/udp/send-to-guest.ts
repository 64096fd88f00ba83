import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { IPPROTO_UDP } from '../../../native/sockets';
import type { Neighbour } from '../gateway/neighbours';
import type { PacketWriter } from '../gateway/packet-writer';
import { type IpAddress, isV4 } from '../wire/ip-address';

/** UDP header, RFC 768: 0 u16 source, 2 u16 destination, 4 u16 length, 6 u16 checksum. */
export const UDP_HEADER_BYTES = 8;
const CHECKSUM_OFFSET = 6;
/** What a packet can hold behind its header: RFC 791 section 3.1, RFC 8200 section 3. */
const MAX_IPV4_BODY_BYTES = 65_535 - 20;
const MAX_IPV6_BODY_BYTES = 65_535;

/** From where to where datagrams go. */
export interface DatagramEnds {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly guest: IpAddress;
  readonly guestPort: number;
}

/**
 * Sends the bytes [start, end) to a guest as datagrams of `datagramBytes`, the last maybe shorter; those that no packet
 * can hold are dropped.
 */
export function sendToGuest(
  writer: PacketWriter,
  neighbour: Neighbour,
  ends: DatagramEnds,
  buffer: PinnedBuffer,
  start: number,
  end: number,
  datagramBytes: number,
): void {
  const { link } = neighbour;
  const longest = isV4(ends.guest) ? MAX_IPV4_BODY_BYTES : MAX_IPV6_BODY_BYTES;
  const bodyBytes = UDP_HEADER_BYTES + datagramBytes;
  const goTogether =
    link.cutsDatagrams === true &&
    bodyBytes <= writer.bodyBytesTo(ends.guest) &&
    UDP_HEADER_BYTES + end - start <= longest;
  if (end - start > datagramBytes && goTogether) {
    begin(writer, neighbour, ends, UDP_HEADER_BYTES + end - start);
    writer.send(link, UDP_HEADER_BYTES, CHECKSUM_OFFSET, buffer, start, end - start, datagramBytes);
    return;
  }
  if (bodyBytes > longest) return;
  let at = start;
  do {
    const length = Math.min(datagramBytes, end - at);
    begin(writer, neighbour, ends, UDP_HEADER_BYTES + length);
    writer.sendDatagram(link, UDP_HEADER_BYTES, CHECKSUM_OFFSET, buffer, at, length);
    at += datagramBytes;
  } while (at < end);
}

function begin(
  writer: PacketWriter,
  neighbour: Neighbour,
  { source, sourcePort, guest, guestPort }: DatagramEnds,
  bodyBytes: number,
): void {
  const offset = writer.begin(neighbour, source, guest, IPPROTO_UDP);
  const { view } = writer;
  view.setUint16(offset, sourcePort);
  view.setUint16(offset + 2, guestPort);
  view.setUint16(offset + 4, bodyBytes);
}
