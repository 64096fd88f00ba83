import { EngineError } from '../../errors';
import type { GuestRange } from '../io/guest-vectors';
import type { GuestMemory } from '../memory/guest-memory';

/** Command header (AHCI 4.2.2): 0 u16 flags, 2 u16 PRD entries, 4 u32 bytes moved, 8 u64 command table. */
const HEADER_BYTES = 32;
const HEADER_MOVED = 4;
const HEADER_TABLE = 8;
/** Length of the FIS, in units of 4 bytes. */
const FLAG_LENGTH = 0x001f;

/** Command table (4.2.3): 0 command FIS (64 bytes), 64 ATAPI command (16), 128 physical region descriptors. */
const TABLE_ATAPI = 64;
const ATAPI_BYTES = 16;
const TABLE_REGIONS = 128;
/** 0 u64 address, 12 u32 bytes - 1 in bits 0-21. */
const REGION_BYTES = 16;
const REGION_LENGTH = 0x3f_ffff;

/** A command as it was when it was read: the guest may change it meanwhile. */
export interface CommandEntry {
  readonly frame: Uint8Array;
  readonly packet: Uint8Array;
  readonly table: number;
  readonly regions: number;
}

/** @throws EngineError HK_GUEST_FAULT when anything lies outside of the guest's memory. */
export function readCommand(memory: GuestMemory, list: number, slot: number): CommandEntry {
  const header = list + slot * HEADER_BYTES;
  const flags = memory.readU16(header);
  const regions = memory.readU16(header + 2);
  const table = memory.readU64(header + HEADER_TABLE);
  if (table % 128 !== 0) throw new EngineError('HK_GUEST_FAULT', "the guest's driver placed a command table unaligned");
  return {
    frame: Uint8Array.from(memory.slice(table, (flags & FLAG_LENGTH) * 4)),
    packet: Uint8Array.from(memory.slice(table + TABLE_ATAPI, ATAPI_BYTES)),
    table,
    regions,
  };
}

/** Where a command's data go or come from, in order: as many buffers as `limitBytes` need. Throws as above. */
export function readRegions(memory: GuestMemory, command: CommandEntry, limitBytes: number): GuestRange[] {
  const regions: GuestRange[] = [];
  let bytes = 0;
  for (let index = 0; index < command.regions && bytes < limitBytes; index++) {
    const entry = command.table + TABLE_REGIONS + index * REGION_BYTES;
    const length = (memory.readU32(entry + 12) & REGION_LENGTH) + 1;
    const address = memory.readU64(entry);
    memory.check(address, length);
    regions.push({ address, length });
    bytes += length;
  }
  return regions;
}

/** Tells the driver how many bytes were moved. */
export function writeMoved(memory: GuestMemory, list: number, slot: number, bytes: number): void {
  memory.writeU32(list + slot * HEADER_BYTES + HEADER_MOVED, bytes);
}
