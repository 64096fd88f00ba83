import { createHash } from 'node:crypto';
import { formatMac } from '../net/addressing/mac';

/**
 * The MAC of a board's card, the same every time for the same UUID and slot, as vmnet gives one by `-U`: 48 bits of a
 * hash, made a locally administered station address.
 */
export function macOfBoard(uuid: string, slot: number, func: number): string {
  const digest = createHash('sha256').update(`hyperkit ${uuid} ${slot}:${func}`).digest();
  const first = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return formatMac(Uint8Array.of(first, ...digest.subarray(1, 6)));
}
