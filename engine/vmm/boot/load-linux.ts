import type { FirmwareSpec } from '../../spec/board-spec';
import { PAGE_BYTES } from '../memory/allocate-memory';
import type { GuestMemory } from '../memory/guest-memory';
import { type BootFile, withBootFile } from './boot-file';
import { makeE820 } from './e820';
import type { EntryState } from './entry-state';
import { writeGdt } from './gdt';
import {
  COMMAND_LINE_ADDRESS,
  COMMAND_LINE_ROOM,
  GDT_ADDRESS,
  PAGE_TABLES_ADDRESS,
  STACK_TOP,
  ZERO_PAGE_ADDRESS,
} from './layout';
import { lowMemoryEnd } from './low-memory';
import { writePageTables } from './page-tables';
import { type KernelImage, readSetupHeader, SETUP_HEADER_END } from './setup-header';
import { writeZeroPage, ZERO_PAGE_BYTES } from './zero-page';

/** Bytes between a kernel's start and its 64-bit entry (boot.rst, 64-bit boot protocol). */
const ENTRY_64 = 0x200;
const MEBIBYTE = 0x10_0000;

/**
 * Puts a Linux kernel where its boot protocol wants it, with its initrd as high as it may be. Kernels that can't be
 * entered in 64-bit mode are entered in 32-bit mode.
 * @throws EngineError HK_BOOT_FAILED
 */
export function loadLinux(
  { kernel, initrd, commandLine }: Extract<FirmwareSpec, { kind: 'kexec' }>,
  memory: GuestMemory,
  rsdpAddress: number | undefined,
): EntryState {
  const ramEnd = lowMemoryEnd(memory);
  const image = withBootFile(kernel, 'kernel', (file) => loadKernel(file, memory, ramEnd, commandLine));
  const placed =
    initrd === undefined
      ? undefined
      : withBootFile(initrd, 'initrd', (file) => loadInitrd(file, memory, image, ramEnd));
  writeZeroPage(memory.slice(ZERO_PAGE_ADDRESS, ZERO_PAGE_BYTES), {
    header: image.header,
    commandLineAddress: COMMAND_LINE_ADDRESS,
    initrd: placed,
    rsdpAddress,
    memoryMap: makeE820(memory.regions),
  });
  const mode = image.has64BitEntry ? 'long' : 'protected';
  writeGdt(memory, GDT_ADDRESS, mode);
  if (mode === 'long') writePageTables(memory, PAGE_TABLES_ADDRESS);
  return {
    mode,
    rip: image.preferredAddress + (mode === 'long' ? ENTRY_64 : 0),
    registers: { rsi: ZERO_PAGE_ADDRESS, rsp: STACK_TOP - 16 },
    gdtAddress: GDT_ADDRESS,
  };
}

function loadKernel(file: BootFile, memory: GuestMemory, ramEnd: number, commandLine: string): KernelImage {
  const image = readSetupHeader(file.readHead(SETUP_HEADER_END), file.sizeBytes);
  if ('why' in image) throw file.fault(image.why, image.mend);
  const { preferredAddress, initBytes, payloadOffset, payloadBytes } = image;
  const end = preferredAddress + initBytes;
  if (end > ramEnd) {
    const why = `it needs ${Math.ceil(end / MEBIBYTE)} MiB, the guest has ${Math.floor(ramEnd / MEBIBYTE)} for it`;
    throw file.fault(why, 'give the machine more memory');
  }
  const words = Buffer.from(`${commandLine}\0`, 'utf8');
  const limit = Math.min(image.commandLineBytes, COMMAND_LINE_ROOM - 1);
  if (words.length - 1 > limit) {
    throw file.fault(`its command line has ${words.length - 1} bytes, it takes ${limit}`, 'leave some words out');
  }
  memory.slice(COMMAND_LINE_ADDRESS, words.length).set(words);
  file.readInto(memory.slice(preferredAddress, payloadBytes), payloadOffset);
  return image;
}

function loadInitrd(
  file: BootFile,
  memory: GuestMemory,
  kernel: KernelImage,
  ramEnd: number,
): { readonly address: number; readonly bytes: number } {
  const bytes = file.sizeBytes;
  const top = Math.min(ramEnd, kernel.initrdLast + 1);
  const address = Math.floor((top - bytes) / PAGE_BYTES) * PAGE_BYTES;
  const room = top - (kernel.preferredAddress + kernel.initBytes);
  if (address < kernel.preferredAddress + kernel.initBytes) {
    const why = `it has ${Math.ceil(bytes / MEBIBYTE)} MiB, beside the kernel there is room for ${Math.max(0, Math.floor(room / MEBIBYTE))}`;
    throw file.fault(why, 'give the machine more memory or make the initrd smaller');
  }
  file.readInto(memory.slice(address, bytes), 0);
  return { address, bytes };
}
