import { totalmem } from 'node:os';

const MIB = 1024 * 1024;

/** What a machine takes beside its guest's memory: its machine process (46 MiB) and its hypervisor (56 MiB), rounded up. */
const OVERHEAD_MIB = 128;

/** What a machine counts for, MiB. */
export function costOf(memoryMiB: number): number {
  return memoryMiB + OVERHEAD_MIB;
}

/** The limit of a pool that was given none, MiB: half of what this process may have of the computer's memory. */
export function defaultLimitMiB(): number {
  // A container's own limit; no limit at all is a number beyond any computer's.
  const constrained = process.constrainedMemory();
  const available = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Math.floor(available / 2 / MIB);
}
