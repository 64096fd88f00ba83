import type { FirmwareSpec } from '../../spec/board-spec';
import { PAGE_BYTES } from '../memory/allocate-memory';
import type { GuestMemory } from '../memory/guest-memory';
import { type BootFile, withBootFile } from './boot-file';
import { makeE820 } from './e820';
import type { EntryState } from './entry-state';
import { writeGdt } from './gdt';
import { EBDA_ADDRESS, GDT_ADDRESS, HIGH_MEMORY_1M, STACK_TOP } from './layout';
import { lowMemoryEnd } from './low-memory';
import { MULTIBOOT_SEARCH_BYTES, readMultibootHeader } from './multiboot-header';

/** What a Multiboot kernel finds in EAX (Multiboot 0.6.96, 3.2). */
const BOOTLOADER_MAGIC = 0x2bad_b002;
/** Fields that are valid: memory size, command line, modules, memory map. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6);
const INFO_BYTES = 88;
const MODULE_BYTES = 16;
const MAP_ENTRY_BYTES = 24;
const MAX_MODULES = 1024;
const KIBIBYTE = 1024;

interface LoadedModule {
  readonly start: number;
  readonly end: number;
  readonly commandLine: string;
}

/**
 * Puts a Multiboot 1 kernel, its modules (each on a page, one behind the other) and its information into memory.
 * @throws EngineError HK_BOOT_FAILED
 */
export function loadMultiboot(
  { kernel, modules, commandLine }: Extract<FirmwareSpec, { kind: 'multiboot' }>,
  memory: GuestMemory,
): EntryState {
  const ramEnd = lowMemoryEnd(memory);
  return withBootFile(kernel, 'kernel', (file) => {
    const { entry, end } = loadKernel(file, memory, ramEnd);
    if (modules.length > MAX_MODULES) throw file.fault(`${modules.length} modules are too many`, 'name fewer');
    const placer = new Placer(memory, ramEnd, end, file);
    const loaded = modules.map(({ path, commandLine: words }) => ({ ...placer.placeModule(path), commandLine: words }));
    const info = writeInfo(placer, memory, ramEnd, commandLine, loaded);
    writeGdt(memory, GDT_ADDRESS, 'protected');
    const registers = { rax: BOOTLOADER_MAGIC, rbx: info, rsp: STACK_TOP - 16 };
    return { mode: 'protected', rip: entry, registers, gdtAddress: GDT_ADDRESS };
  });
}

function loadKernel(file: BootFile, memory: GuestMemory, ramEnd: number): { entry: number; end: number } {
  const image = readMultibootHeader(file.readHead(MULTIBOOT_SEARCH_BYTES), file.sizeBytes);
  if ('why' in image) throw file.fault(image.why, image.mend);
  let end = HIGH_MEMORY_1M;
  for (const { fileOffset, fileBytes, address, memoryBytes } of image.segments) {
    if (address < STACK_TOP || address + memoryBytes > ramEnd) {
      const range = `0x${address.toString(16)} to 0x${(address + memoryBytes).toString(16)}`;
      throw file.fault(`it wants to be at ${range}, where there is no room`, 'give the machine more memory');
    }
    const target = memory.slice(address, memoryBytes);
    file.readInto(target.subarray(0, fileBytes), fileOffset);
    target.fill(0, fileBytes);
    end = Math.max(end, address + memoryBytes);
  }
  return { entry: image.entry, end };
}

/** Hands out memory behind the kernel. */
class Placer {
  constructor(
    private readonly memory: GuestMemory,
    private readonly ramEnd: number,
    private next: number,
    private readonly kernel: BootFile,
  ) {}

  /** @throws EngineError HK_BOOT_FAILED */
  reserve(bytes: number, alignment: number): number {
    const address = Math.ceil(this.next / alignment) * alignment;
    if (address + bytes > this.ramEnd) {
      throw this.kernel.fault('it and its modules do not fit into memory', 'give the machine more memory');
    }
    this.next = address + bytes;
    return address;
  }

  placeModule(path: string): { start: number; end: number } {
    return withBootFile(path, 'module', (file) => {
      const start = this.reserve(file.sizeBytes, PAGE_BYTES);
      file.readInto(this.memory.slice(start, file.sizeBytes), 0);
      return { start, end: start + file.sizeBytes };
    });
  }

  /** With a closing NUL. */
  placeText(text: string): number {
    const bytes = Buffer.from(`${text}\0`, 'utf8');
    const address = this.reserve(bytes.length, 1);
    this.memory.slice(address, bytes.length).set(bytes);
    return address;
  }
}

/**
 * Multiboot information: 0 flags, 4 mem_lower and 8 mem_upper in KiB, 16 cmdline, 20 mods_count, 24 mods_addr,
 * 44 mmap_length, 48 mmap_addr; a module: start, end, string, 0; a line of the map: u32 size of the rest, then E820's.
 */
function writeInfo(
  placer: Placer,
  memory: GuestMemory,
  ramEnd: number,
  commandLine: string,
  modules: readonly LoadedModule[],
): number {
  const map = makeE820(memory.regions);
  const info = placer.reserve(INFO_BYTES, PAGE_BYTES);
  const moduleTable = placer.reserve(modules.length * MODULE_BYTES, 8);
  const mapTable = placer.reserve(map.length * MAP_ENTRY_BYTES, 8);
  const fields: readonly (readonly [number, number])[] = [
    [0, INFO_FLAGS],
    [4, Math.floor(EBDA_ADDRESS / KIBIBYTE)],
    [8, (ramEnd - HIGH_MEMORY_1M) / KIBIBYTE],
    [16, placer.placeText(commandLine)],
    [20, modules.length],
    [24, moduleTable],
    [44, map.length * MAP_ENTRY_BYTES],
    [48, mapTable],
  ];
  for (const [offset, value] of fields) memory.writeU32(info + offset, value);
  for (const [index, { start, end, commandLine: words }] of modules.entries()) {
    const at = moduleTable + index * MODULE_BYTES;
    memory.writeU32(at, start);
    memory.writeU32(at + 4, end);
    memory.writeU32(at + 8, placer.placeText(words));
  }
  for (const [index, { address, bytes, type }] of map.entries()) {
    const at = mapTable + index * MAP_ENTRY_BYTES;
    memory.writeU32(at, MAP_ENTRY_BYTES - 4);
    const entry = memory.slice(at + 4, 20);
    const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
    view.setBigUint64(0, BigInt(address), true);
    view.setBigUint64(8, BigInt(bytes), true);
    view.setUint32(16, type, true);
  }
  return info;
}
