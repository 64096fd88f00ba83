/**
 * In front of each frame, both ways (virtio 1.2, 5.1.6; little-endian since version 1):
 *
 *  0 u8  flags
 *  1 u8  gso_type
 *  2 u16 hdr_len      bytes of Ethernet, IP and transport headers, for frames that are to be cut
 *  4 u16 gso_size     payload bytes of each piece
 *  6 u16 csum_start   where the checksummed part begins, counted from the frame's first byte
 *  8 u16 csum_offset  where the checksum lies, counted from there
 * 10 u16 num_buffers  chains that hold the frame; to the guest only
 */
export const NET_HEADER_BYTES = 12;
export const NUM_BUFFERS_OFFSET = 10;

export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
/** Congestion notification (RFC 3168) is in use; it changes nothing for who does not cut. */
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

/** Feature bits (virtio 1.2, 5.1.3). Those of the guest: what it takes; those of the host: what it may hand over. */
export const NET_F = {
  CSUM: 1n << 0n,
  GUEST_CSUM: 1n << 1n,
  MTU: 1n << 3n,
  MAC: 1n << 5n,
  GUEST_TSO4: 1n << 7n,
  GUEST_TSO6: 1n << 8n,
  HOST_TSO4: 1n << 11n,
  HOST_TSO6: 1n << 12n,
  MRG_RXBUF: 1n << 15n,
  STATUS: 1n << 16n,
} as const;

/** Checksums and segmentation are left to whoever takes the frame, both ways. */
export const ALL_OFFLOADS =
  NET_F.CSUM | NET_F.GUEST_CSUM | NET_F.GUEST_TSO4 | NET_F.GUEST_TSO6 | NET_F.HOST_TSO4 | NET_F.HOST_TSO6;

/** An IP packet of any length, behind an Ethernet header with a VLAN tag. */
export const LONGEST_FRAME_BYTES = 65_535 + 18;

/** What the driver said of a frame that it sends. */
export type SentFrameKind =
  /** Whole, with its checksums. */
  | 'complete'
  /** The transport's checksum, and maybe the cutting into segments, are left to the device. */
  | 'offloaded'
  /** Something that was not offered, or contradicts itself. */
  | 'invalid';

/**
 * Reads the header of a frame of `frameBytes`. An offloaded frame's checksum fields lie within the frame; longer than
 * the MTU is only what the device is to cut.
 */
export function classifySentFrame(view: DataView, at: number, frameBytes: number, mtu: number): SentFrameKind {
  const gsoType = view.getUint8(at + 1) & ~VIRTIO_NET_HDR_GSO_ECN;
  const needsChecksum = (view.getUint8(at) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
  if (gsoType === VIRTIO_NET_HDR_GSO_NONE) {
    // A VLAN tag is not part of the MTU (IEEE 802.3 section 3.2.7).
    if (frameBytes > mtu + 18) return 'invalid';
  } else {
    const known = gsoType === VIRTIO_NET_HDR_GSO_TCPV4 || gsoType === VIRTIO_NET_HDR_GSO_TCPV6;
    if (!known || !needsChecksum || view.getUint16(at + 4, true) === 0) return 'invalid';
  }
  if (!needsChecksum) return 'complete';
  const field = view.getUint16(at + 6, true) + view.getUint16(at + 8, true);
  return field + 2 <= frameBytes ? 'offloaded' : 'invalid';
}
