import { IsoSource } from './iso-source';
import { decodeVolumeId } from './volume-descriptor';

/** Volume identifier of the first descriptor: sector 16, byte 40, 32 bytes. */
const VOLUME_ID = { offset: 0x8028, length: 32 };

/**
 * The version in an ISO's volume name, by docker-machine's rule: what follows the first `-` of the first `-v`, so
 * `b2d-v19.03.12` is `v19.03.12`. Undefined when the name has no such part or the file is too short to have a name.
 * Throws HK_ISO_UNREADABLE.
 */
export async function readVolumeVersion(isoPath: string): Promise<string | undefined> {
  const source = await IsoSource.open(isoPath);
  try {
    if (source.sizeBytes < VOLUME_ID.offset + VOLUME_ID.length) return undefined;
    return versionOfVolume(decodeVolumeId(await source.readMetadata(VOLUME_ID, 'the volume name')));
  } finally {
    await source.close();
  }
}

/** The same for a volume name already read. */
export function versionOfVolume(volumeId: string): string | undefined {
  const at = volumeId.indexOf('-v');
  return at < 0 ? undefined : volumeId.slice(at + 1).trim();
}
