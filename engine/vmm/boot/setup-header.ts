import { BZIMAGE_HEADER_BYTES, findBzImageFault } from '../../boot/bzimage';

/** Bytes of the file that can hold the setup header: the zero page's room for it, up to edd_mbr_sig_buffer. */
export const SETUP_HEADER_END = 0x290;
export const SETUP_HEADER_START = 0x1f1;

const SECTOR_BYTES = 512;
/** boot.rst: "for backwards compatibility, if the setup_sects field contains 0, the real value is 4". */
const DEFAULT_SETUP_SECTORS = 4;
/** The oldest protocol that says how much memory the kernel needs (init_size). HyperKit's minimum, too. */
const MIN_PROTOCOL = 0x020a;
const PROTOCOL_WITH_XLOADFLAGS = 0x020c;
const XLF_KERNEL_64 = 0x01;

/** What the loader must know of a bzImage. */
export interface KernelImage {
  /** e.g. 0x20F for 2.15 */
  readonly protocol: number;
  /** Where in the file the part for protected mode begins; it goes to the file's end. */
  readonly payloadOffset: number;
  readonly payloadBytes: number;
  /** The kernel's own choice of where to be; it unpacks itself there or above. */
  readonly preferredAddress: number;
  /** Bytes from there that it needs before it knows the memory map. */
  readonly initBytes: number;
  /** The initrd's last byte may be here at most. */
  readonly initrdLast: number;
  /** Longest command line without its closing NUL. */
  readonly commandLineBytes: number;
  /** It can be entered in 64-bit mode, 0x200 after its start. */
  readonly has64BitEntry: boolean;
  /** The header as it goes to the zero page. */
  readonly header: Uint8Array;
}

/** Why a file can't be booted, for people. */
export interface ImageFault {
  readonly why: string;
  readonly mend: string;
}

/**
 * Reads the setup header of a Linux kernel, Documentation/arch/x86/boot.rst:
 *
 *   0x1F1  1  setup_sects        0x22C  4  initrd_addr_max     0x238  4  cmdline_size
 *   0x1F4  4  syssize            0x230  4  kernel_alignment    0x258  8  pref_address
 *   0x201  1  header's length    0x234  1  relocatable_kernel  0x260  4  init_size
 *   0x206  2  version            0x236  2  xloadflags
 *
 * @param head the file's first {@link SETUP_HEADER_END} bytes, or fewer when it is shorter.
 */
export function readSetupHeader(head: Uint8Array, fileBytes: number): KernelImage | ImageFault {
  const fault = findBzImageFault(head.subarray(0, BZIMAGE_HEADER_BYTES));
  if (fault !== undefined) {
    return {
      why: `it is not a bzImage: ${fault}`,
      mend: 'name a Linux kernel for x86 (arch/x86/boot/bzImage, vmlinuz)',
    };
  }
  if (head.length < SETUP_HEADER_END) return truncated(fileBytes, SETUP_HEADER_END);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const protocol = view.getUint16(0x206, true);
  if (protocol < MIN_PROTOCOL) {
    const version = `${protocol >> 8}.${String(protocol & 0xff).padStart(2, '0')}`;
    return { why: `its boot protocol ${version} is older than 2.10`, mend: 'use Linux 2.6.31 or newer' };
  }
  const setupSectors = view.getUint8(0x1f1) || DEFAULT_SETUP_SECTORS;
  const payloadOffset = (setupSectors + 1) * SECTOR_BYTES;
  const wholeBytes = payloadOffset + Math.max(1, view.getUint32(0x1f4, true)) * 16;
  if (fileBytes < wholeBytes) return truncated(fileBytes, wholeBytes);
  const preferredHigh = view.getUint32(0x25c, true);
  const preferredAddress = preferredHigh * 0x1_0000_0000 + view.getUint32(0x258, true);
  if (preferredAddress < 0x10_0000 || preferredHigh !== 0) {
    return { why: `it wants to be at 0x${preferredAddress.toString(16)}`, mend: 'name another kernel' };
  }
  const flags = protocol >= PROTOCOL_WITH_XLOADFLAGS ? view.getUint16(0x236, true) : 0;
  const headerEnd = Math.min(0x202 + view.getUint8(0x201), SETUP_HEADER_END);
  return {
    protocol,
    payloadOffset,
    payloadBytes: fileBytes - payloadOffset,
    preferredAddress,
    initBytes: Math.max(view.getUint32(0x260, true), fileBytes - payloadOffset),
    initrdLast: view.getUint32(0x22c, true),
    commandLineBytes: view.getUint32(0x238, true),
    has64BitEntry: (flags & XLF_KERNEL_64) !== 0,
    header: head.slice(SETUP_HEADER_START, headerEnd),
  };
}

function truncated(has: number, needs: number): ImageFault {
  return { why: `it has ${has} bytes and should have ${needs}`, mend: 'fetch or build it again' };
}
