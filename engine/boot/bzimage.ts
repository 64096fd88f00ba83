/** As much of the kernel as the check looks at. */
export const BZIMAGE_HEADER_BYTES = 0x220;

const BOOT_FLAG = 0xaa55;
const LOADED_HIGH = 0x01;

/**
 * What keeps a file from being an x86 bzImage, undefined when nothing does. Fields of the setup header, Linux
 * Documentation/arch/x86/boot.rst:
 *
 *   0x1FE  2  boot_flag, 0xAA55
 *   0x202  4  "HdrS"
 *   0x206  2  version of the boot protocol, since 2.00
 *   0x211  1  loadflags; bit 0: loaded at 1 MiB (bzImage, not zImage)
 */
export function findBzImageFault(header: Uint8Array): string | undefined {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  if (bytes.length < BZIMAGE_HEADER_BYTES) return `it has only ${bytes.length} bytes`;
  if (bytes.toString('latin1', 0x202, 0x206) !== 'HdrS') return 'there is no "HdrS" at byte 0x202';
  if (bytes.readUInt16LE(0x1fe) !== BOOT_FLAG) return 'there is no boot flag 0xAA55 at byte 0x1FE';
  if (bytes.readUInt16LE(0x206) < 0x0200) return `its boot protocol is ${bytes.readUInt16LE(0x206).toString(16)}`;
  if ((bytes[0x211]! & LOADED_HIGH) === 0) return 'it is a zImage';
  return undefined;
}
