import type { GuestMemory } from '../memory/guest-memory';

/** Present and writable; in a directory's entry also "this is a page of 2 MiB" (Intel SDM volume 3, 4.5). */
const TABLE = 0x03;
const LARGE_PAGE = 0x83;
const ENTRIES = 512;
const TABLE_BYTES = 4096;
const LARGE_PAGE_BYTES = 0x20_0000;
const DIRECTORIES = 4;

/** Bytes of the tables that {@link writePageTables} writes. */
export const PAGE_TABLES_BYTES = (2 + DIRECTORIES) * TABLE_BYTES;

/** Maps the first 4 GiB onto themselves: PML4 at `address`, then PDPT, then four directories of 2 MiB pages. */
export function writePageTables(memory: GuestMemory, address: number): void {
  memory.slice(address, PAGE_TABLES_BYTES).fill(0);
  const pdpt = address + TABLE_BYTES;
  const directories = pdpt + TABLE_BYTES;
  memory.writeU32(address, pdpt | TABLE);
  for (let index = 0; index < DIRECTORIES; index++) {
    memory.writeU32(pdpt + index * 8, (directories + index * TABLE_BYTES) | TABLE);
  }
  for (let index = 0; index < DIRECTORIES * ENTRIES; index++) {
    memory.writeU32(directories + index * 8, index * LARGE_PAGE_BYTES + LARGE_PAGE);
  }
}
