import { IsoImage } from './iso9660';

/** In our ISO: the version of the conversation in which its guest becomes a machine of its own (identity-channel.ts). */
const MARKER = '/boot/identity';
const VERSION = '2';
const MAX_BYTES = 16;

/** Whether an ISO's guest can be saved and go on as another machine. Throws HK_ISO_UNREADABLE or HK_ISO_INVALID. */
export async function hasIdentityMarker(isoPath: string): Promise<boolean> {
  return await IsoImage.with(isoPath, async (image) => {
    const file = await image.lookup(MARKER);
    if (file?.kind !== 'file') return false;
    return (await image.readStart(file, MAX_BYTES)).toString('latin1').trim() === VERSION;
  });
}
