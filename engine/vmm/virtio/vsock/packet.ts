/**
 * In front of each packet, both ways (virtio 1.2, 5.10.6), little-endian:
 *
 *  0 u64 src_cid     24 u32 len        36 u32 buf_alloc   bytes that the sender keeps for the connection
 *  8 u64 dst_cid     28 u16 type       40 u32 fwd_cnt     bytes that have left that room, ever
 * 16 u32 src_port    30 u16 op
 * 20 u32 dst_port    32 u32 flags
 */
export const VSOCK_HEADER_BYTES = 44;

export const VIRTIO_VSOCK_TYPE_STREAM = 1;
/** Of VIRTIO_VSOCK_OP_SHUTDOWN: what the sender will do no more. */
export const VIRTIO_VSOCK_SHUTDOWN_RCV = 1;
export const VIRTIO_VSOCK_SHUTDOWN_SEND = 2;
export const SHUTDOWN_BOTH = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;

export const OP = {
  REQUEST: 1,
  RESPONSE: 2,
  RST: 3,
  SHUTDOWN: 4,
  RW: 5,
  CREDIT_UPDATE: 6,
  CREDIT_REQUEST: 7,
} as const;

/** The host's address. */
export const HOST_CID = 2;

/** A connection's two ports. */
export interface VsockEnds {
  readonly guestPort: number;
  readonly hostPort: number;
}

/** What a guest sent, as numbers. Addresses that need more than 53 bits are not exact, and nobody's. */
export interface GuestPacket extends VsockEnds {
  readonly sourceCid: number;
  readonly destinationCid: number;
  readonly length: number;
  readonly type: number;
  readonly op: number;
  readonly flags: number;
  readonly bufAlloc: number;
  readonly fwdCnt: number;
}

export function readPacket(view: DataView): GuestPacket {
  return {
    sourceCid: view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000,
    destinationCid: view.getUint32(8, true) + view.getUint32(12, true) * 0x1_0000_0000,
    guestPort: view.getUint32(16, true),
    hostPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufAlloc: view.getUint32(36, true),
    fwdCnt: view.getUint32(40, true),
  };
}

/** Writes a header from the host to a guest; the credit fields are what the connection has. */
export function writePacket(
  view: DataView,
  guestCid: number,
  { guestPort, hostPort }: VsockEnds,
  op: number,
  { length = 0, flags = 0, bufAlloc = 0, fwdCnt = 0 },
): void {
  view.setUint32(0, HOST_CID, true);
  view.setUint32(4, 0, true);
  view.setUint32(8, guestCid, true);
  view.setUint32(12, 0, true);
  view.setUint32(16, hostPort, true);
  view.setUint32(20, guestPort, true);
  view.setUint32(24, length, true);
  view.setUint16(28, VIRTIO_VSOCK_TYPE_STREAM, true);
  view.setUint16(30, op, true);
  view.setUint32(32, flags, true);
  view.setUint32(36, bufAlloc, true);
  view.setUint32(40, fwdCnt, true);
}
