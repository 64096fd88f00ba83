import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

/** More than what Linux says of one CPU; the others are not waited for. */
const FIRST_CPU_BYTES = 8192;

/**
 * Changes when the host's CPU can do something more or less than it did, by new microcode or another kernel. Under KVM the
 * guest's can, too, whose programs found out long ago what theirs can. Errors of reading /proc pass through.
 */
export function hostCpuFeatures(): string {
  const said = Buffer.alloc(FIRST_CPU_BYTES);
  const file = openSync('/proc/cpuinfo', 'r');
  try {
    readSync(file, said);
  } finally {
    closeSync(file);
  }
  const [flags = ''] = /^flags\s*:.*$/m.exec(said.toString('latin1')) ?? [];
  return createHash('sha256').update(flags).digest('hex').slice(0, 16);
}
