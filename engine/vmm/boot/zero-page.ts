import type { E820Entry } from './e820';
import { SETUP_HEADER_START } from './setup-header';

/** A page of the PC. */
export const ZERO_PAGE_BYTES = 4096;
/** More lines than that have no room in e820_table (E820_MAX_ENTRIES_ZEROPAGE). */
const E820_MAX_ENTRIES = 128;
const E820_ENTRY_BYTES = 20;
/** "A loader without a number of its own" (boot.rst, type_of_loader). */
const UNDEFINED_LOADER = 0xff;
const VIDEO_MODE_NORMAL = 0xffff;

export interface ZeroPageContent {
  readonly header: Uint8Array;
  readonly commandLineAddress: number;
  readonly initrd: { readonly address: number; readonly bytes: number } | undefined;
  /** ACPI's root pointer; undefined: the kernel searches for it. */
  readonly rsdpAddress: number | undefined;
  readonly memoryMap: readonly E820Entry[];
}

/**
 * Fills struct boot_params (Documentation/arch/x86/zero-page.rst):
 *
 *   0x070  8  acpi_rsdp_addr      0x1F1     the setup header          0x218  4  ramdisk_image
 *   0x0C0  4  ext_ramdisk_image   0x1FA  2  vid_mode                  0x21C  4  ramdisk_size
 *   0x0C4  4  ext_ramdisk_size    0x210  1  type_of_loader            0x228  4  cmd_line_ptr
 *   0x1E8  1  e820_entries        0x2D0     e820_table: address u64, size u64, type u32
 *
 * The extended halves stay 0: everything is below 4 GiB.
 */
export function writeZeroPage(page: Uint8Array, content: ZeroPageContent): void {
  const { header, commandLineAddress, initrd, rsdpAddress, memoryMap } = content;
  page.fill(0);
  page.set(header, SETUP_HEADER_START);
  const view = new DataView(page.buffer, page.byteOffset, ZERO_PAGE_BYTES);
  view.setUint32(0x70, rsdpAddress ?? 0, true);
  view.setUint16(0x1fa, VIDEO_MODE_NORMAL, true);
  view.setUint8(0x210, UNDEFINED_LOADER);
  view.setUint32(0x218, initrd?.address ?? 0, true);
  view.setUint32(0x21c, initrd?.bytes ?? 0, true);
  view.setUint32(0x228, commandLineAddress, true);
  const entries = memoryMap.slice(0, E820_MAX_ENTRIES);
  view.setUint8(0x1e8, entries.length);
  for (const [index, { address, bytes, type }] of entries.entries()) {
    const at = 0x2d0 + index * E820_ENTRY_BYTES;
    view.setBigUint64(at, BigInt(address), true);
    view.setBigUint64(at + 8, BigInt(bytes), true);
    view.setUint32(at + 16, type, true);
  }
}
