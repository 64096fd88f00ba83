import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../errors';
import { identifyProcess, isSameProcess, type ProcessIdentity } from './process-identity';

/** How long a process may take to vanish after SIGKILL. Longer means it hangs in the kernel, e.g. on a dead network disk. */
const VANISH_MS = 10_000;

/** In the environment of every child of a machine process, so that it is found when nothing else was written down. */
export const STATE_DIR_VARIABLE = 'HYPERKIT_CHILD_OF_MACHINE_IN';

/** Ends exactly these processes and waits until they are gone. @throws EngineError HK_MACHINE_FAILED when one does not go. */
export async function endProcesses(processes: readonly ProcessIdentity[]): Promise<void> {
  for (const identity of processes) {
    if (identity.pid !== process.pid && (await isSameProcess(identity))) sendSignal(identity.pid, 'SIGKILL');
  }
  const deadline = Date.now() + VANISH_MS;
  for (const identity of processes) {
    while (await isSameProcess(identity)) {
      if (Date.now() > deadline) {
        throw new EngineError(
          'HK_MACHINE_FAILED',
          `cannot end process ${identity.pid}: it does not react to SIGKILL (it waits in the kernel, often for a disk); try again later`,
        );
      }
      await sleep(5);
    }
  }
}

/** @throws EngineError HK_MACHINE_FAILED when the process belongs to another user. False when it is gone. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw new EngineError(
      'HK_MACHINE_FAILED',
      `cannot send ${signal} to process ${pid}: ${(cause as Error).message}; it was started by another user, run the command as that user`,
      { cause },
    );
  }
}

/**
 * Processes that a machine process of this folder started and did not get round to writing down (it was killed in that
 * very moment). Linux only: elsewhere the environment of a process is not to be had, and the state file must do.
 */
export async function findOrphans(stateDir: string): Promise<ProcessIdentity[]> {
  if (process.platform !== 'linux') return [];
  const mark = `${STATE_DIR_VARIABLE}=${stateDir}`;
  const orphans: ProcessIdentity[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!(pid > 1) || pid === process.pid) continue;
    let environment: string;
    try {
      environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    } catch {
      continue;
    }
    if (!environment.includes(mark) || !environment.split('\0').includes(mark)) continue;
    const identity = await identifyProcess(pid);
    if (identity) orphans.push(identity);
  }
  return orphans;
}
