import { EngineError } from '../../../errors';
import type { GuestMemory } from '../../memory/guest-memory';
import { gather } from '../segments';
import type { DescriptorChain, Segment } from '../virtqueue';
import { SECTOR_BYTES } from './blk-identity';

/** Request types (virtio 1.2, 5.2.6). */
export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;

export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

/** struct virtio_blk_req: 0 u32 type, 4 u32 reserved, 8 u64 sector; then data; the last byte is the status. */
const HEADER_BYTES = 16;
const STATUS_BYTES = 1;

/** A request, wherever its driver put the borders between header, data and status. */
export interface BlkRequest {
  readonly head: number;
  readonly type: number;
  /** In the image; beyond any when the driver says so. */
  readonly offset: number;
  /** Where the data are that the driver gives: `outBytes` of `readable`, after the first `skip`. */
  readonly readable: readonly Segment[];
  readonly skip: number;
  readonly outBytes: number;
  /** Where data for the driver go: the first `inBytes`. */
  readonly writable: readonly Segment[];
  readonly inBytes: number;
  readonly statusAddress: number;
}

const scratch = new Uint8Array(HEADER_BYTES);
const header = new DataView(scratch.buffer);

/** @throws EngineError HK_GUEST_FAULT for a chain that has no room for header and status. */
export function readRequest(memory: GuestMemory, chain: DescriptorChain): BlkRequest {
  const { head, readable, writable, readableBytes, writableBytes } = chain;
  const last = writable.at(-1);
  if (readableBytes < HEADER_BYTES || last === undefined) {
    throw new EngineError('HK_GUEST_FAULT', "the guest's driver sent a block request without header or status");
  }
  gather(memory, readable, 0, scratch);
  return {
    head,
    type: header.getUint32(0, true),
    offset: (header.getUint32(12, true) * 0x1_0000_0000 + header.getUint32(8, true)) * SECTOR_BYTES,
    readable,
    skip: HEADER_BYTES,
    outBytes: readableBytes - HEADER_BYTES,
    writable,
    inBytes: writableBytes - STATUS_BYTES,
    statusAddress: last.address + last.length - STATUS_BYTES,
  };
}

/** A range of a DISCARD or WRITE_ZEROES. */
export interface BlkRange {
  readonly offset: number;
  readonly length: number;
  /** Bit 0: the range may be unmapped. */
  readonly flags: number;
}

/** struct virtio_blk_discard_write_zeroes: 0 u64 sector, 8 u32 sectors, 12 u32 flags */
const RANGE_BYTES = 16;
export const RANGE_UNMAP = 1;

/** Copies the ranges of a request; undefined: there are none, too many, or half of one. */
export function readRanges(memory: GuestMemory, request: BlkRequest, most: number): readonly BlkRange[] | undefined {
  const { readable, skip, outBytes } = request;
  const count = outBytes / RANGE_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > most) return undefined;
  const bytes = new Uint8Array(outBytes);
  gather(memory, readable, skip, bytes);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, index) => {
    const at = index * RANGE_BYTES;
    return {
      offset: (view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)) * SECTOR_BYTES,
      length: view.getUint32(at + 8, true) * SECTOR_BYTES,
      flags: view.getUint32(at + 12, true),
    };
  });
}
