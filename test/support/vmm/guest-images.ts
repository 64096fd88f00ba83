/** Where {@link multibootImage} puts its code. */
export const MULTIBOOT_CODE_ADDRESS = 0x10_0020;
/** Where {@link bzImage} puts its code for 64-bit mode. */
export const KERNEL_ADDRESS = 0x100_0000;
export const KERNEL_64_ENTRY = KERNEL_ADDRESS + 0x200;
const ROM_BYTES = 4096;

/** A Multiboot 1 kernel that says its addresses itself: 32-bit code, entered at {@link MULTIBOOT_CODE_ADDRESS}. */
export function multibootImage(code: Uint8Array): Buffer {
  const load = 0x10_0000;
  const image = Buffer.alloc(32 + code.length);
  const [magic, flags] = [0x1bad_b002, 0x0001_0000];
  const header = [magic, flags, -(magic + flags) >>> 0, load, load, 0, 0, MULTIBOOT_CODE_ADDRESS];
  for (const [index, value] of header.entries()) image.writeUInt32LE(value, index * 4);
  image.set(code, 32);
  return image;
}

/** A firmware image whose first instruction jumps to its start: 16-bit code. */
export function bootrom(code: Uint8Array): Buffer {
  const image = Buffer.alloc(ROM_BYTES);
  image.set(code, 0);
  image.set([0xe9, 0, 0], ROM_BYTES - 16);
  image.writeInt16LE(-(ROM_BYTES - 16 + 3), ROM_BYTES - 15);
  return image;
}

export interface KernelOptions {
  readonly protocol?: number;
  readonly setupSectors?: number;
  readonly preferredAddress?: number;
  readonly initBytes?: number;
  readonly initrdLast?: number;
  readonly commandLineBytes?: number;
  readonly has64BitEntry?: boolean;
}

/** A Linux bzImage: `code64` is entered in 64-bit mode, `code32`, of at most 512 bytes, in 32-bit mode. */
export function bzImage(
  code64: Uint8Array,
  code32: Uint8Array = new Uint8Array(0),
  options: KernelOptions = {},
): Buffer {
  const { setupSectors = 1, has64BitEntry = true } = options;
  const start = (setupSectors + 1) * 512;
  const payload = Math.ceil((0x200 + code64.length) / 16) * 16;
  const image = Buffer.alloc(start + payload);
  image[0x1f1] = setupSectors;
  image.writeUInt32LE(payload / 16, 0x1f4);
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.set([0xeb, 0x66], 0x200);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt16LE(options.protocol ?? 0x020f, 0x206);
  image[0x211] = 1;
  image.writeUInt32LE(options.initrdLast ?? 0x7fff_ffff, 0x22c);
  image.writeUInt32LE(0x20_0000, 0x230);
  image[0x234] = 1;
  image.writeUInt16LE(has64BitEntry ? 1 : 0, 0x236);
  image.writeUInt32LE(options.commandLineBytes ?? 2047, 0x238);
  image.writeUInt32LE(options.preferredAddress ?? KERNEL_ADDRESS, 0x258);
  image.writeUInt32LE(options.initBytes ?? 0x10_0000, 0x260);
  image.set(code32, start);
  image.set(code64, start + 0x200);
  return image;
}
