import { type GuestMemory, LOW_MEMORY_END } from '../memory/guest-memory';

/** Where the RAM that begins at 0 ends. */
export function lowMemoryEnd({ regions }: GuestMemory): number {
  const low = regions.find(({ guestAddress }) => guestAddress === 0);
  return Math.min(low?.part?.length ?? low?.bytes.byteLength ?? 0, LOW_MEMORY_END);
}
