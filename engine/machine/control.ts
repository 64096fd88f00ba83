import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../errors';
import { findClaimant } from './claim';
import { endProcesses, findOrphans, sendSignal } from './leftovers';
import { DRAFT_NAME, MACHINE_FILES } from './machine-files';
import { isSameProcess, type ProcessIdentity } from './process-identity';
import { readRuntimeState, writeRuntimeState } from './runtime-state';

const LOOK_EVERY_MS = 25;
const DRAFT_IS_OLD_MS = 60_000;
const OF_A_LIVING_PROCESS: ReadonlySet<string> = new Set([
  MACHINE_FILES.pid,
  MACHINE_FILES.controlSocket,
  MACHINE_FILES.spareState,
  MACHINE_FILES.consoleSocket,
]);

/**
 * Presses the machine's power button: SIGTERM to the machine process, HyperKit's convention.
 * Resolves when the signal is sent; {@link waitForExit} tells when the guest is down. Does nothing when no machine runs.
 * @throws EngineError HK_MACHINE_FAILED when the process belongs to another user.
 */
export async function pressPowerButton(stateDir: string): Promise<void> {
  const machine = await findMachineProcess(stateDir);
  if (machine) sendSignal(machine.pid, 'SIGTERM');
}

/**
 * Ends the machine process and everything it started, then cleans the state folder. Nothing to end is fine: this is
 * also how every crash is cleaned up.
 * @throws EngineError HK_MACHINE_FAILED when a process does not go away or belongs to another user.
 */
export async function killMachine(stateDir: string): Promise<void> {
  const machine = await findMachineProcess(stateDir);
  // First the machine process, so that it cannot start anything any more; then what it started last.
  if (machine) await endProcesses([machine]);
  await endChildren(stateDir);
  if (machine) recordKill(stateDir);
  removeRuntimeFiles(stateDir);
}

/** Waits until the machine process is gone; false when it still lives after `deadlineMs`. */
export async function waitForExit(stateDir: string, deadlineMs: number): Promise<boolean> {
  const machine = await findMachineProcess(stateDir);
  if (!machine) return true;
  const deadline = Date.now() + deadlineMs;
  while (await isSameProcess(machine)) {
    if (Date.now() >= deadline) return false;
    await sleep(Math.min(LOOK_EVERY_MS, Math.max(1, deadline - Date.now())));
  }
  return true;
}

/**
 * Removes what a machine that no longer runs left behind: pid file, sockets and unfinished drafts. Logs, the console ring,
 * hyperkit.json and the record of the last exit stay.
 * @throws EngineError HK_MACHINE_RUNNING when something of the machine still lives.
 */
export async function cleanState(stateDir: string): Promise<void> {
  const alive = (await findMachineProcess(stateDir)) ?? (await findChildren(stateDir))[0];
  if (alive) {
    throw new EngineError(
      'HK_MACHINE_RUNNING',
      `cannot clean ${stateDir}: process ${alive.pid} of the machine still runs; stop or kill the machine first`,
    );
  }
  removeRuntimeFiles(stateDir);
}

/** Ends what a machine process that is gone has left running. */
export async function endChildren(stateDir: string): Promise<void> {
  await endProcesses(await findChildren(stateDir));
}

/** Processes of a machine whose machine process is gone, which still run. */
export async function listLeftovers(stateDir: string): Promise<readonly ProcessIdentity[]> {
  return (await findMachineProcess(stateDir)) === undefined ? await findChildren(stateDir) : [];
}

async function findMachineProcess(stateDir: string): Promise<ProcessIdentity | undefined> {
  const state = readRuntimeState(stateDir);
  if (state && state.state !== 'stopped' && (await isSameProcess(state))) {
    return { pid: state.pid, startTime: state.startTime, bootId: state.bootId };
  }
  return await findClaimant(stateDir);
}

async function findChildren(stateDir: string): Promise<ProcessIdentity[]> {
  const state = readRuntimeState(stateDir);
  const written = state && state.state !== 'stopped' ? state.children : [];
  const found = [...(await findOrphans(stateDir))];
  for (const child of written) {
    if (found.every(({ pid }) => pid !== child.pid) && (await isSameProcess(child))) found.push(child);
  }
  return found;
}

/** The machine process had no chance to write its own end down. */
function recordKill(stateDir: string): void {
  try {
    writeRuntimeState(stateDir, { state: 'stopped', lastExit: { kind: 'killed', at: new Date().toISOString() } });
  } catch {
    // A full disk: the pid in the file belongs to nobody, which says enough.
  }
}

function removeRuntimeFiles(stateDir: string): void {
  let names: string[];
  try {
    names = readdirSync(stateDir);
  } catch {
    return;
  }
  for (const name of names) {
    const file = path.join(stateDir, name);
    if (!OF_A_LIVING_PROCESS.has(name) && !(DRAFT_NAME.test(name) && isOld(file))) continue;
    try {
      rmSync(file, { force: true });
    } catch {
      // A folder that became read-only (a disk with errors): its processes are gone, and a pid file that stays names nobody.
    }
  }
}

/** A younger draft may belong to a command that is working right now. */
function isOld(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > DRAFT_IS_OLD_MS;
}
