import { PAGE_BYTES } from '../memory/allocate-memory';
import { HIGH_MEMORY_START, type MemoryRegion } from '../memory/guest-memory';
import { EBDA_ADDRESS, HIGH_MEMORY_1M } from './layout';

/** A line of the memory map that a PC's BIOS answers to INT 15h, AX=E820h; the numbers are ACPI 6.5's, section 15. */
export interface E820Entry {
  readonly address: number;
  readonly bytes: number;
  readonly type: typeof E820_RAM | typeof E820_RESERVED;
}

export const E820_RAM = 1;
export const E820_RESERVED = 2;

/**
 * The memory map of a board. Where two regions of RAM meet, the last page before is kept out: they are not next to each
 * other in this process, so that no buffer of a guest may reach from one into the other.
 */
export function makeE820(regions: readonly Pick<MemoryRegion, 'guestAddress' | 'bytes' | 'part'>[]): E820Entry[] {
  const entries: E820Entry[] = [];
  const ranges = regions.map(({ guestAddress, bytes, part }) => ({
    start: guestAddress,
    end: guestAddress + (part?.length ?? bytes.byteLength),
  }));
  for (const [index, { start, end }] of ranges.entries()) {
    const last = ranges[index + 1]?.start === end ? end - PAGE_BYTES : end;
    if (start >= HIGH_MEMORY_START) entries.push({ address: start, bytes: last - start, type: E820_RAM });
    else {
      entries.push({ address: 0, bytes: Math.min(end, EBDA_ADDRESS), type: E820_RAM });
      entries.push({ address: EBDA_ADDRESS, bytes: HIGH_MEMORY_1M - EBDA_ADDRESS, type: E820_RESERVED });
      if (last > HIGH_MEMORY_1M) {
        entries.push({ address: HIGH_MEMORY_1M, bytes: last - HIGH_MEMORY_1M, type: E820_RAM });
      }
    }
  }
  return entries;
}
