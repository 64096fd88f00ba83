import { existsSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../errors';

/** From a program in dist/, from a chunk of it, and from these sources under a test. */
const FOLDERS = ['.', '..', '../../dist'];

/**
 * Path of a thread's program, one of those that scripts/build.mjs makes.
 * @throws EngineError HK_KVM_FAILED when the package is not whole.
 */
export function findWorkerProgram(name: 'vcpu-worker' | 'io-worker'): string {
  const candidates = FOLDERS.map((folder) => path.join(__dirname, folder, `${name}.cjs`));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  const text = `cannot start the virtual machine: ${name}.cjs is missing from this package; install it again or run npm run build`;
  throw new EngineError('HK_KVM_FAILED', text);
}
