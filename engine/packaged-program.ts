import { existsSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from './errors';

/** From a program in dist/, from a chunk of it, and from these sources under a test. */
const FOLDERS = ['.', '..', '../dist'];

/**
 * Path of one of the programs that scripts/build.mjs makes, for whoever starts it as a process or thread.
 * @throws EngineError HK_MACHINE_FAILED when the package is not whole.
 */
export function findPackagedProgram(name: 'hyperkit-machine' | 'io-worker' | 'vcpu-worker'): string {
  const candidates = FOLDERS.map((folder) => path.join(__dirname, folder, `${name}.cjs`));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new EngineError(
    'HK_MACHINE_FAILED',
    `cannot start the virtual machine: ${name}.cjs is missing from this package; install it again or run npm run build`,
  );
}
