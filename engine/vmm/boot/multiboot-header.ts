import type { ImageFault } from './setup-header';

/** The header lies, 4-byte aligned, wholly within this many bytes of the file (Multiboot 0.6.96, 3.1). */
export const MULTIBOOT_SEARCH_BYTES = 8192;

const MAGIC = 0x1bad_b002;
/** Flags 0 (modules on pages) and 1 (memory size) are kept; 2 (video mode) asks for what there is: nothing. */
const UNKNOWN_REQUIREMENTS = 0x0000_fff8;
const HAS_ADDRESSES = 0x0001_0000;

/** A stretch of the file that goes to memory, with zeroes behind it. */
export interface LoadSegment {
  readonly fileOffset: number;
  readonly fileBytes: number;
  readonly address: number;
  readonly memoryBytes: number;
}

export interface MultibootImage {
  readonly entry: number;
  readonly segments: readonly LoadSegment[];
}

/**
 * Finds out where a Multiboot 1 kernel goes: by the addresses in its header (the "a.out kludge") or else as 32-bit ELF.
 *
 *   0  magic    8  checksum, of the first three        16  load_addr       24  bss_end_addr
 *   4  flags   12  header_addr (with flag 16)          20  load_end_addr   28  entry_addr
 *
 * @param head the file's first {@link MULTIBOOT_SEARCH_BYTES} bytes, or fewer when it is shorter.
 */
export function readMultibootHeader(head: Uint8Array, fileBytes: number): MultibootImage | ImageFault {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const at = findHeader(view);
  if (at === undefined) {
    return { why: 'it has no Multiboot header', mend: 'name a Multiboot 1 kernel, or use kexec for a Linux kernel' };
  }
  const flags = view.getUint32(at + 4, true);
  if ((flags & UNKNOWN_REQUIREMENTS) !== 0) {
    return {
      why: `it requires Multiboot features 0x${(flags & UNKNOWN_REQUIREMENTS).toString(16)}`,
      mend: 'name another',
    };
  }
  return (flags & HAS_ADDRESSES) !== 0 ? readAddresses(view, at, fileBytes) : readElf(view, fileBytes);
}

function findHeader(view: DataView): number | undefined {
  for (let at = 0; at + 12 <= view.byteLength; at += 4) {
    if (view.getUint32(at, true) !== MAGIC) continue;
    const sum = MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 0x1_0000_0000 === 0) return at;
  }
  return undefined;
}

function readAddresses(view: DataView, at: number, fileBytes: number): MultibootImage | ImageFault {
  if (at + 32 > view.byteLength) return broken('its header is cut off');
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((offset) =>
    view.getUint32(at + offset, true),
  ) as [number, number, number, number, number];
  const fileOffset = at - (headerAddress - loadAddress);
  // An end of 0 is the file's own.
  const length = loadEnd === 0 ? fileBytes - fileOffset : loadEnd - loadAddress;
  const memoryBytes = Math.max(length, bssEnd - loadAddress);
  if (headerAddress < loadAddress || fileOffset < 0 || length < 0) return broken('its addresses contradict each other');
  if (fileOffset + length > fileBytes) return broken('it is shorter than its header says');
  return { entry, segments: [{ fileOffset, fileBytes: length, address: loadAddress, memoryBytes }] };
}

/** e_ident: class 1 (32 bits), data 1 (little-endian); e_machine 3 (i386); p_type 1 (load). System V ABI, chapter 4 and 5. */
const ELF_MAGIC = 0x464c_457f;
const ELF_32_LITTLE_ENDIAN = 0x0101;
const EM_386 = 3;
const PT_LOAD = 1;
const PROGRAM_HEADER_BYTES = 32;

/**
 *   Elf32_Ehdr: 4 class and data, 18 machine u16, 24 entry u32, 28 phoff u32, 42 phentsize u16, 44 phnum u16
 *   Elf32_Phdr: 0 type, 4 offset, 8 vaddr, 12 paddr, 16 filesz, 20 memsz (u32 each)
 */
function readElf(view: DataView, fileBytes: number): MultibootImage | ImageFault {
  if (view.byteLength < 52 || view.getUint32(0, true) !== ELF_MAGIC)
    return broken('it is not ELF, and says no addresses');
  if (view.getUint16(4, true) !== ELF_32_LITTLE_ENDIAN || view.getUint16(18, true) !== EM_386) {
    return { why: 'it is not ELF of 32 bits for i386', mend: 'make one with objcopy -O elf32-i386' };
  }
  const tableAt = view.getUint32(28, true);
  const entryBytes = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (entryBytes < PROGRAM_HEADER_BYTES || tableAt + count * entryBytes > view.byteLength) {
    return broken('its program headers are not in its first 8 KiB');
  }
  const segments: LoadSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = tableAt + index * entryBytes;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const [fileOffset, address, length, memoryBytes] = [4, 12, 16, 20].map((offset) =>
      view.getUint32(at + offset, true),
    ) as [number, number, number, number];
    if (fileOffset + length > fileBytes || length > memoryBytes) return broken(`its segment ${index} is cut off`);
    segments.push({ fileOffset, fileBytes: length, address, memoryBytes });
  }
  return segments.length === 0
    ? broken('there is nothing to load in it')
    : { entry: view.getUint32(24, true), segments };
}

function broken(why: string): ImageFault {
  return { why, mend: 'fetch or build it again' };
}
