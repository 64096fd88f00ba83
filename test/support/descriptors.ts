import { readdirSync } from 'node:fs';

/** Descriptors of this process; always 0 where there is no /proc. */
export function countDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}
