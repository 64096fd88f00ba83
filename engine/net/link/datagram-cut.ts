import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { IPPROTO_UDP } from '../../../native/sockets';
import { finish, sumBytes } from '../wire/checksum';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_OFFSET } from '../wire/ethernet';
import type { FrameReceiver } from './link';

const UDP_HEADER_BYTES = 8;
const IPV6_HEADER_BYTES = 40;

/**
 * Hands on, one by one, the datagrams of a frame that a guest's kernel left uncut (UDP_SEGMENT): `datagramBytes` of the
 * payload each, the last maybe less. Each gets its headers in front of it where it lies, over what is handed on already;
 * of checksums only that of IPv4, as the kernel leaves UDP's to us. A frame that is none of that is dropped.
 */
export function eachDatagram(
  buffer: PinnedBuffer,
  start: number,
  end: number,
  datagramBytes: number,
  receive: FrameReceiver,
): void {
  const { view, bytes } = buffer;
  const udp = udpHeaderOf(view, start, end);
  if (udp === undefined || datagramBytes === 0) return;
  const headerBytes = udp + UDP_HEADER_BYTES - start;
  for (let at = start; at + headerBytes < end; at += datagramBytes) {
    const frameEnd = Math.min(at + headerBytes + datagramBytes, end);
    if (at > start) bytes.copyWithin(at, at - datagramBytes, at - datagramBytes + headerBytes);
    setLengths(view, at, udp - start, frameEnd);
    receive(buffer, at, frameEnd, true);
  }
}

function udpHeaderOf(view: DataView, start: number, end: number): number | undefined {
  const ip = start + ETHERNET_HEADER_BYTES;
  const type = view.getUint16(start + ETHERTYPE_OFFSET);
  let udp = -1;
  if (type === ETHERTYPE_IPV4 && end - ip >= 20 && view.getUint8(ip + 9) === IPPROTO_UDP) {
    udp = ip + (view.getUint8(ip) & 0x0f) * 4;
  } else if (type === ETHERTYPE_IPV6 && end - ip >= IPV6_HEADER_BYTES && view.getUint8(ip + 6) === IPPROTO_UDP) {
    udp = ip + IPV6_HEADER_BYTES;
  }
  return udp < ip + 20 || udp + UDP_HEADER_BYTES > end ? undefined : udp;
}

function setLengths(view: DataView, start: number, udpOffset: number, end: number): void {
  const ip = start + ETHERNET_HEADER_BYTES;
  const udp = start + udpOffset;
  view.setUint16(udp + 4, end - udp);
  if (view.getUint16(start + ETHERTYPE_OFFSET) === ETHERTYPE_IPV4) {
    view.setUint16(ip + 2, end - ip);
    view.setUint16(ip + 10, 0);
    view.setUint16(ip + 10, finish(sumBytes(view, ip, udp)));
  } else view.setUint16(ip + 4, end - ip - IPV6_HEADER_BYTES);
}
