import { denyNewPrivileges, installSeccompFilter } from '../../native/seccomp';
import { buildCallFilter, REFUSED_COUNT } from './call-filter';
import { confineFiles, type WritablePlaces } from './file-rules';

/**
 * Takes from this process, for good, what it does not need to run a guest. First its ways to files: to be called when all
 * that lies elsewhere is open, and before there are threads that work for the guest, because older kernels bind only
 * threads that are made later. The function that it answers takes system calls away from all threads, and is called once
 * the guest runs: nothing is executed from then on. Neither throws; `log` is told what is in force, and what is not and why.
 */
export function enterSandbox(places: WritablePlaces, log: (line: string) => void): () => void {
  const files = attempt('Landlock', () => {
    denyNewPrivileges();
    return `version ${confineFiles(places)} guards the files`;
  });
  return () => {
    const calls = attempt('seccomp', () => {
      installSeccompFilter(buildCallFilter());
      return `refuses ${REFUSED_COUNT} system calls`;
    });
    log(`sandbox: ${calls}; ${files}`);
  };
}

/** A guest that runs with less around it is better than one that does not run. */
function attempt(what: string, step: () => string): string {
  try {
    return `${what} ${step()}`;
  } catch (error) {
    return `no ${what} (${(error as Error).message})`;
  }
}
