import { HIGH_MEMORY_START, LOW_MEMORY_END } from '../memory/guest-memory';
import { checksum, type FirmwareBoard, type MemoryImage } from './firmware-board';

export const SMBIOS_ADDRESS = 0xf_1000;
const ENTRY_POINT_BYTES = 31;
const STRUCTURES_ADDRESS = SMBIOS_ADDRESS + 32;

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * 1024;
/** One memory device counts at most 32 GiB in mebibytes of 15 bits. */
const LARGEST_MODULE_BYTES = 16 * 1024 * MEBIBYTE;
const MEMORY_ARRAY_HANDLE = 0x1000;
const NO_HANDLE = 0xffff;
const NO_ERROR_HANDLE = 0xfffe;

/** What `dmidecode` shows (SMBIOS 2.6: DMTF DSP0134): names as HyperKit's, the system's UUID, CPUs and memory. */
export function buildSmbios(board: FirmwareBoard): MemoryImage {
  const low = Math.min(board.memoryBytes, LOW_MEMORY_END);
  const high = board.memoryBytes - low;
  const modules: number[] = [];
  for (let left = board.memoryBytes; left > 0; left -= LARGEST_MODULE_BYTES) {
    modules.push(Math.min(left, LARGEST_MODULE_BYTES));
  }
  let handle = 0;
  const structures = [
    bios(handle++),
    system(handle++, board.uuid),
    chassis(handle++),
    ...Array.from({ length: board.vcpus }, (_, cpu) => processor(handle++, cpu)),
    memoryArray(board.memoryBytes, modules.length),
    ...modules.map((bytes, index) => memoryDevice(handle++, index, bytes)),
    memoryRange(handle++, 0, low),
    ...(high > 0 ? [memoryRange(handle++, HIGH_MEMORY_START, high)] : []),
    structure(32, handle++, 11, () => undefined),
    structure(127, handle++, 4, () => undefined),
  ];
  const table = Buffer.concat(structures);
  const image = Buffer.alloc(STRUCTURES_ADDRESS - SMBIOS_ADDRESS + table.length);
  image.set(entryPoint(table.length, structures), 0);
  table.copy(image, STRUCTURES_ADDRESS - SMBIOS_ADDRESS);
  return { address: SMBIOS_ADDRESS, bytes: image };
}

/**
 * 0 "_SM_", 4 checksum, 5 length, 6 version, 8 u16 largest structure, 16 "_DMI_", 21 checksum from 16 on, 22 u16 length
 * of the table, 24 u32 its address, 28 u16 structures, 30 version in BCD.
 */
function entryPoint(tableBytes: number, structures: readonly Buffer[]): Buffer {
  const bytes = Buffer.alloc(ENTRY_POINT_BYTES);
  bytes.write('_SM_', 0);
  bytes.set([ENTRY_POINT_BYTES, 2, 6], 5);
  bytes.writeUInt16LE(Math.max(...structures.map((one) => one.length)), 8);
  bytes.write('_DMI_', 16);
  bytes.writeUInt16LE(tableBytes, 22);
  bytes.writeUInt32LE(STRUCTURES_ADDRESS, 24);
  bytes.writeUInt16LE(structures.length, 28);
  bytes.writeUInt8(0x26, 30);
  bytes[21] = checksum(bytes.subarray(16));
  bytes[4] = checksum(bytes);
  return bytes;
}

/** 0 type, 1 length, 2 u16 handle, fields; then strings, each with its NUL, and one NUL more. Fields name strings from 1. */
function structure(
  type: number,
  handle: number,
  length: number,
  fill: (fields: Buffer, string: (value: string) => number) => void,
): Buffer {
  const fields = Buffer.alloc(length);
  const strings: string[] = [];
  fields.set([type, length, handle & 0xff, handle >> 8]);
  fill(fields, (value) => strings.push(value));
  return Buffer.concat([fields, Buffer.from(strings.length === 0 ? '\0\0' : `${strings.join('\0')}\0\0`, 'latin1')]);
}

function bios(handle: number): Buffer {
  const HAS_PCI = 0x80;
  const HAS_ACPI = 0x01;
  const IS_VIRTUAL_MACHINE = 0x10;
  return structure(0, handle, 24, (fields, string) => {
    fields[4] = string('BHYVE');
    fields[5] = string('1.00');
    fields.writeUInt16LE(0xf000, 6);
    fields[8] = string('03/14/2014');
    fields[10] = HAS_PCI;
    fields[18] = HAS_ACPI;
    fields[19] = IS_VIRTUAL_MACHINE;
    fields.set([0xff, 0xff, 0xff, 0xff], 20);
  });
}

function system(handle: number, uuid: string): Buffer {
  const POWER_SWITCH = 6;
  return structure(1, handle, 27, (fields, string) => {
    fields[4] = string(' ');
    fields[5] = string('BHYVE');
    fields[6] = string('1.0');
    fields[7] = string('None');
    fields.set(uuidBytes(uuid), 8);
    fields[24] = POWER_SWITCH;
    fields[25] = string('None');
    fields[26] = string(' ');
  });
}

/** The first three fields of the text are little-endian (SMBIOS 2.6, 7.2.1). */
function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function chassis(handle: number): Buffer {
  const UNKNOWN = 2;
  const SAFE = 3;
  return structure(3, handle, 21, (fields, string) => {
    fields[4] = string(' ');
    fields[5] = UNKNOWN;
    fields[6] = string('1.0');
    fields[7] = string('None');
    fields[8] = string('None');
    fields.set([SAFE, SAFE, SAFE, SAFE], 9);
  });
}

function processor(handle: number, cpu: number): Buffer {
  const CENTRAL = 3;
  const UNKNOWN = 2;
  const POPULATED_AND_ENABLED = 0x41;
  const IS_64_BIT = 0x04;
  return structure(4, handle, 42, (fields, string) => {
    fields[4] = string(`CPU #${cpu}`);
    fields.set([CENTRAL, UNKNOWN], 5);
    fields[24] = POPULATED_AND_ENABLED;
    fields[25] = UNKNOWN;
    for (const cache of [26, 28, 30]) fields.writeUInt16LE(NO_HANDLE, cache);
    fields.set([1, 1, 1, IS_64_BIT], 35);
  });
}

function memoryArray(bytes: number, modules: number): Buffer {
  const SYSTEM_BOARD = 3;
  const SYSTEM_MEMORY = 3;
  const NO_ECC = 3;
  return structure(16, MEMORY_ARRAY_HANDLE, 15, (fields) => {
    fields.set([SYSTEM_BOARD, SYSTEM_MEMORY, NO_ECC], 4);
    fields.writeUInt32LE(Math.min(bytes / KIBIBYTE, 0x7fff_ffff), 7);
    fields.writeUInt16LE(NO_ERROR_HANDLE, 11);
    fields.writeUInt16LE(modules, 13);
  });
}

function memoryDevice(handle: number, index: number, bytes: number): Buffer {
  const UNKNOWN = 2;
  const UNKNOWN_DETAIL = 0x04;
  return structure(17, handle, 28, (fields, string) => {
    fields.writeUInt16LE(MEMORY_ARRAY_HANDLE, 4);
    fields.writeUInt16LE(NO_ERROR_HANDLE, 6);
    fields.writeUInt16LE(64, 8);
    fields.writeUInt16LE(64, 10);
    fields.writeUInt16LE(Math.floor(bytes / MEBIBYTE), 12);
    fields[14] = UNKNOWN;
    fields[16] = string(`Module ${index}`);
    fields[18] = UNKNOWN;
    fields[19] = UNKNOWN_DETAIL;
  });
}

function memoryRange(handle: number, start: number, bytes: number): Buffer {
  return structure(19, handle, 15, (fields) => {
    fields.writeUInt32LE(start / KIBIBYTE, 4);
    fields.writeUInt32LE(Math.min((start + bytes) / KIBIBYTE - 1, 0xffff_fffe), 8);
    fields.writeUInt16LE(MEMORY_ARRAY_HANDLE, 12);
    fields.writeUInt8(1, 14);
  });
}
