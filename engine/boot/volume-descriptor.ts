import { readDirectoryRecord, SECTOR_BYTES } from './directory-record';
import type { IsoExtent, IsoSource } from './iso-source';

const FIRST_DESCRIPTOR_SECTOR = 16;
/** Real images have two to five; the set has no length field, only a terminator. */
const MAX_DESCRIPTORS = 32;

const TYPE_PRIMARY = 1;
const TYPE_TERMINATOR = 255;

export interface PrimaryVolume {
  readonly volumeId: string;
  readonly blockBytes: number;
  /** Size the volume claims: blocks times block size. */
  readonly volumeBytes: number;
  readonly root: IsoExtent;
}

/**
 * Primary volume descriptor, ECMA-119 8.4 (numbers are stored twice, little-endian first):
 *
 *     0    1  type, 1
 *     1    5  "CD001"
 *    40   32  volume identifier, blank padded
 *    80    8  volume space size in logical blocks
 *   128    4  logical block size
 *   156   34  directory record of the root
 */
export async function readPrimaryVolume(source: IsoSource): Promise<PrimaryVolume> {
  for (let index = 0; index < MAX_DESCRIPTORS; index++) {
    const offset = (FIRST_DESCRIPTOR_SECTOR + index) * SECTOR_BYTES;
    const sector = await source.readMetadata({ offset, length: SECTOR_BYTES }, 'the volume descriptor');
    if (sector.toString('latin1', 1, 6) !== 'CD001') {
      throw source.invalid(`it is not an ISO 9660 image (no CD001 at byte ${offset + 1})`);
    }
    if (sector[0] === TYPE_TERMINATOR) break;
    if (sector[0] === TYPE_PRIMARY) return parsePrimary(source, sector);
  }
  throw source.invalid('it has no primary volume descriptor');
}

function parsePrimary(source: IsoSource, sector: Buffer): PrimaryVolume {
  const blockBytes = sector.readUInt16LE(128);
  if (blockBytes !== 512 && blockBytes !== 1024 && blockBytes !== 2048) {
    throw source.invalid(`its logical block size is ${blockBytes}`);
  }
  const root = readDirectoryRecord(sector.subarray(156, 190));
  if (typeof root === 'string' || !root.isDirectory) throw source.invalid('its root directory record is damaged');
  return {
    volumeId: decodeVolumeId(sector.subarray(40, 72)),
    blockBytes,
    volumeBytes: sector.readUInt32LE(80) * blockBytes,
    root: { offset: (root.block + root.attributeBlocks) * blockBytes, length: root.sizeBytes },
  };
}

/** The field is blank padded; some writers pad with zero bytes. */
export function decodeVolumeId(field: Buffer): string {
  return field.toString('latin1').replace(/[\0 ]+$/, '');
}
