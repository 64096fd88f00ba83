import type { BlockImage } from '../../io/block-image';
import type { VirtioIdentity } from '../device-model';

/** Block device (virtio 1.2, 5.2): feature bits. */
export const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
export const VIRTIO_BLK_F_RO = 1n << 5n;
export const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
export const VIRTIO_BLK_F_FLUSH = 1n << 9n;
export const VIRTIO_BLK_F_TOPOLOGY = 1n << 10n;
export const VIRTIO_BLK_F_CONFIG_WCE = 1n << 11n;
export const VIRTIO_BLK_F_MQ = 1n << 12n;
export const VIRTIO_BLK_F_DISCARD = 1n << 13n;
export const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;

export const SECTOR_BYTES = 512;
/** Offset of the field in the configuration space. */
export const WRITEBACK = 32;

const VIRTIO_ID_BLOCK = 2;
/** Mass storage, SCSI: what QEMU's and Firecracker's are. */
const PCI_CLASS = 0x01_0000;
const CONFIG_BYTES = 60;
const QUEUE_SIZE = 256;
/** Of one request: what is left of a queue's descriptors beside header and status. */
const SEG_MAX = QUEUE_SIZE - 2;
/** Ranges of one DISCARD or WRITE_ZEROES. */
export const MAX_RANGES = 64;
/** Sectors of one range of a DISCARD: 1 GiB, as HyperKit's. */
const MAX_DISCARD_SECTORS = 0x20_0000;
/** Sectors of one range of a WRITE_ZEROES: 64 MiB, which may have to be written. */
const MAX_WRITE_ZEROES_SECTORS = 0x2_0000;

/**
 * What the driver is told of a disk. Configuration space: 0 u64 capacity in sectors of 512, 12 u32 seg_max, 20 u32
 * blk_size, 24 u8 physical_block_exp, 25 u8 alignment_offset, 26 u16 min_io_size, 28 u32 opt_io_size, 32 u8 writeback,
 * 34 u16 num_queues, 36 u32 max_discard_sectors, 40 u32 max_discard_seg, 44 u32 discard_sector_alignment, 48 u32
 * max_write_zeroes_sectors, 52 u32 max_write_zeroes_seg, 56 u8 write_zeroes_may_unmap.
 *
 * @param queues usually one for each CPU of the guest.
 */
export function blkIdentity(image: BlockImage, queues: number): VirtioIdentity {
  const { logical, physical } = image.sectors;
  const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
  config.setBigUint64(0, BigInt(image.sizeBytes / SECTOR_BYTES), true);
  config.setUint32(12, SEG_MAX, true);
  config.setUint32(20, logical, true);
  config.setUint8(24, Math.log2(physical / logical));
  config.setUint16(26, physical / logical, true);
  config.setUint8(WRITEBACK, 1);
  config.setUint16(34, queues, true);
  let features = VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_TOPOLOGY | VIRTIO_BLK_F_MQ;
  if (image.readOnly) features |= VIRTIO_BLK_F_RO;
  // A synchronous file has no cache that could be flushed.
  else if (!image.sync) features |= VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE;
  if (image.canDiscard) {
    features |= VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
    config.setUint32(36, MAX_DISCARD_SECTORS, true);
    config.setUint32(40, MAX_RANGES, true);
    config.setUint32(44, image.discardBytes / SECTOR_BYTES, true);
    config.setUint32(48, MAX_WRITE_ZEROES_SECTORS, true);
    config.setUint32(52, MAX_RANGES, true);
    config.setUint8(56, 1);
  }
  return {
    type: VIRTIO_ID_BLOCK,
    pciClass: PCI_CLASS,
    features,
    queueSizes: new Array(queues).fill(QUEUE_SIZE),
    config: new Uint8Array(config.buffer),
    writableConfig: image.readOnly || image.sync ? [] : [{ offset: WRITEBACK, length: 1 }],
  };
}
