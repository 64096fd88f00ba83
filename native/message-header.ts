/** struct iovec: 0 u64 base, 8 u64 length. */
export const IOVEC_BYTES = 16;
/** struct msghdr, and struct mmsghdr which puts a u32 behind it: the length of the datagram. */
export const MMSGHDR_BYTES = 64;
export const MMSGHDR_LENGTH_OFFSET = 56;
export const MSGHDR_NAME_BYTES_OFFSET = 8;
export const MSGHDR_CONTROL_BYTES_OFFSET = 40;

/** Addresses of pinned memory; 0 for what there is none of. */
export interface MessageParts {
  readonly name: number;
  readonly nameBytes: number;
  readonly vectors: number;
  readonly vectorCount: number;
  readonly control: number;
  readonly controlBytes: number;
}

export function writeVector(view: DataView, offset: number, address: number, length: number): void {
  writeAddress(view, offset, address);
  view.setUint32(offset + 8, length, true);
  view.setUint32(offset + 12, 0, true);
}

/**
 * 0 u64 name, 8 u32 name length, 16 u64 vectors, 24 u64 their count, 32 u64 control messages, 40 u64 their length,
 * 48 u32 flags (bits/socket.h of 64-bit Linux).
 */
export function writeMessageHeader(view: DataView, offset: number, parts: MessageParts): void {
  writeAddress(view, offset, parts.name);
  writeAddress(view, offset + 8, parts.nameBytes);
  writeAddress(view, offset + 16, parts.vectors);
  writeAddress(view, offset + 24, parts.vectorCount);
  writeAddress(view, offset + 32, parts.control);
  writeAddress(view, offset + 40, parts.controlBytes);
  writeAddress(view, offset + 48, 0);
}

/** A u64 that a double holds exactly. */
function writeAddress(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 0x1_0000_0000, true);
  view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
}
