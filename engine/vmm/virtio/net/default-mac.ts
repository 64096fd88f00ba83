import { createHash } from 'node:crypto';

/** NetApp's, which bhyve and HyperKit use for cards without an address of their own. */
const PREFIX = [0x00, 0xa0, 0x98];

/** The address of a card that was given none: the same one for the same place in the same machine. 6 bytes. */
export function defaultMac(slot: number, func: number, machine: string): Uint8Array {
  const digest = createHash('md5').update(`${slot}-${func}-${machine}`).digest();
  return Uint8Array.of(...PREFIX, ...digest.subarray(0, 3));
}
