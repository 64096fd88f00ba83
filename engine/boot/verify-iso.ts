import { type BootFiles, findBootEntries } from './boot-files';
import { BZIMAGE_HEADER_BYTES, findBzImageFault } from './bzimage';
import type { IsoEntry } from './directory';
import { IsoImage } from './iso9660';

/** mkisofs counts 150 sectors of padding to the volume; some tools cut it off again, and nobody misses it. */
const PADDING_BYTES = 150 * 2048;

/**
 * Checks what can be checked without booting, in a few milliseconds: the volume and every file of it lie inside the ISO
 * (a broken download ends early), kernel and initrd are there, the kernel is a bzImage. Wrong bytes inside a file are
 * not found this way; that is what checksums are for. Throws HK_ISO_UNREADABLE, HK_ISO_INVALID or HK_ISO_NO_KERNEL.
 */
export async function verifyIso(isoPath: string): Promise<BootFiles> {
  return await IsoImage.with(isoPath, async (image) => {
    if (image.volumeBytes > image.sizeBytes + PADDING_BYTES) {
      throw image.invalid(`it ends at byte ${image.sizeBytes} but its volume reaches to byte ${image.volumeBytes}`);
    }
    for await (const entry of image.walk()) {
      if (entry.kind === 'file' && entry.obstacle === undefined) image.checkReadable(entry);
    }
    const { kernel, initrd, commandLine } = await findBootEntries(image);
    await checkKernel(image, kernel);
    return { kernel: kernel.path, initrd: initrd.path, commandLine, volumeId: image.volumeId };
  });
}

/** Throws HK_ISO_INVALID unless the file is an x86 bzImage. */
export async function checkKernel(image: IsoImage, kernel: IsoEntry): Promise<void> {
  const fault = findBzImageFault(await image.readStart(kernel, BZIMAGE_HEADER_BYTES));
  if (fault !== undefined) throw image.invalid(`kernel ${kernel.path} is no x86 bzImage (${fault})`);
}
