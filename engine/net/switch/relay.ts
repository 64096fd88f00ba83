import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../../native/sockets';
import { HEADROOM, type Link, type OutgoingFrame } from '../link/link';
import { fold } from '../wire/checksum';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_OFFSET } from '../wire/ethernet';
import { readIpv4, readIpv6 } from '../wire/ip-address';
import { pseudoSum } from '../wire/pseudo-header';

/** Ethernet, IPv6 and the longest TCP header. */
const MAX_HEADERS_BYTES = ETHERNET_HEADER_BYTES + 60 + 60;
const header = allocatePinned(HEADROOM + MAX_HEADERS_BYTES);

/**
 * Passes a frame from one guest's link to another's. A frame of a kernel that leaves checksums and segmentation to its
 * NIC gets them here, from the link that it goes to.
 */
export function relayFrame(
  to: Link,
  buffer: PinnedBuffer,
  start: number,
  end: number,
  verified: boolean,
  mtu: number,
): boolean {
  const offloaded = verified ? transportOf(buffer.view, start, end) : undefined;
  const headerBytes = offloaded?.headerBytes ?? ETHERNET_HEADER_BYTES;
  buffer.bytes.copy(header.bytes, HEADROOM, start, start + headerBytes);
  if (offloaded !== undefined) {
    header.view.setUint16(HEADROOM + offloaded.start + offloaded.checksumOffset, fold(offloaded.pseudo));
  }
  const room = mtu - (headerBytes - ETHERNET_HEADER_BYTES);
  const payloadBytes = end - start - headerBytes;
  const frame: OutgoingFrame = {
    header,
    headerBytes,
    payload: buffer,
    payloadStart: start + headerBytes,
    payloadBytes,
    checksumStart: offloaded?.start ?? -1,
    checksumOffset: offloaded?.checksumOffset ?? 0,
    segmentBytes: offloaded?.protocol === IPPROTO_TCP && payloadBytes > room ? room : 0,
  };
  return to.send(frame);
}

interface Transport {
  readonly protocol: number;
  /** Counted from the frame's first byte. */
  readonly start: number;
  readonly checksumOffset: number;
  /** Ethernet, IP and transport headers. */
  readonly headerBytes: number;
  readonly pseudo: number;
}

/** The TCP or UDP header of a frame; undefined when it has none that could want a checksum. */
function transportOf(view: DataView, start: number, end: number): Transport | undefined {
  const ip = start + ETHERNET_HEADER_BYTES;
  const type = view.getUint16(start + ETHERTYPE_OFFSET);
  if (type === ETHERTYPE_IPV4 && end - ip >= 20 && (view.getUint16(ip + 6) & 0x3fff) === 0) {
    const ipBytes = (view.getUint8(ip) & 0x0f) * 4;
    const source = readIpv4(view, ip + 12);
    const destination = readIpv4(view, ip + 16);
    const length = view.getUint16(ip + 2) - ipBytes;
    return transportAt(view, start, ip + ipBytes, end, view.getUint8(ip + 9), (protocol) =>
      pseudoSum(source, destination, protocol, length),
    );
  }
  if (type === ETHERTYPE_IPV6 && end - ip >= 40) {
    const source = readIpv6(view, ip + 8);
    const destination = readIpv6(view, ip + 24);
    const length = view.getUint16(ip + 4);
    return transportAt(view, start, ip + 40, end, view.getUint8(ip + 6), (protocol) =>
      pseudoSum(source, destination, protocol, length),
    );
  }
  return undefined;
}

function transportAt(
  view: DataView,
  start: number,
  at: number,
  end: number,
  protocol: number,
  pseudoOf: (protocol: number) => number,
): Transport | undefined {
  const shortest = protocol === IPPROTO_TCP ? 20 : protocol === IPPROTO_UDP ? 8 : -1;
  if (shortest < 0 || at + shortest > end) return undefined;
  const bytes = protocol === IPPROTO_TCP ? (view.getUint8(at + 12) >> 4) * 4 : 8;
  if (bytes < shortest || at + bytes > end) return undefined;
  return {
    protocol,
    start: at - start,
    checksumOffset: protocol === IPPROTO_TCP ? 16 : 6,
    headerBytes: at - start + bytes,
    pseudo: pseudoOf(protocol),
  };
}
