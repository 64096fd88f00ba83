import type { GuestMemory } from '../memory/guest-memory';

/** Selectors as Linux wants them (boot.rst, 32-bit and 64-bit boot protocols: __BOOT_CS, __BOOT_DS). */
export const CODE_SELECTOR = 0x10;
export const DATA_SELECTOR = 0x18;
export const TASK_SELECTOR = 0x20;

/** Flat, 4 GiB, ring 0, accessed (Intel SDM volume 3, 3.4.5): 32-bit and 64-bit code, data, a busy 64-bit TSS of nothing. */
const CODE_32 = 0x00cf_9b00_0000_ffffn;
const CODE_64 = 0x00af_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;
const TASK = 0x008f_8b00_0000_ffffn;

export const GDT_BYTES = 5 * 8;

/** Writes the descriptor table that matches the selectors above. */
export function writeGdt(memory: GuestMemory, address: number, mode: 'protected' | 'long'): void {
  const bytes = memory.slice(address, GDT_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, GDT_BYTES);
  const entries = [0n, 0n, mode === 'long' ? CODE_64 : CODE_32, DATA, TASK];
  for (const [index, entry] of entries.entries()) view.setBigUint64(index * 8, entry, true);
}
