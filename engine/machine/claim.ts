import { chmodSync, linkSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../errors';
import { draftOf, MACHINE_FILES, readJsonObject } from './machine-files';
import { identifyProcess, isSameProcess, type ProcessIdentity } from './process-identity';
import { decodeIdentity } from './runtime-state';

/*
 * Who may run the machine of a state folder: the living process named in the claim file with the highest number.
 *
 * A claim is made by creating the next number, which only one process can do; it ends with its process. Nobody ever
 * deletes the highest claim, dead or not, so there is no moment in which two processes clear the same stale file and
 * one of them takes the other's fresh one with it. A slow process that creates a number already used and cleared
 * finds a higher one when it looks again, and withdraws.
 */

const ATTEMPTS = 50;
const NUMBER = /^[1-9]\d{0,14}$/;

/**
 * Claims the machine for `own`, until that process ends.
 * @throws EngineError HK_MACHINE_RUNNING when a living process has it. Errors of the file system pass through.
 */
export async function claimMachine(stateDir: string, own: ProcessIdentity): Promise<void> {
  const fileOf = (number: number): string => path.join(stateDir, `${MACHINE_FILES.claimPrefix}${number}`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const highest = Math.max(0, ...listClaims(stateDir));
    if (highest > 0) {
      const holder = decodeIdentity(readJsonObject(fileOf(highest), 4096));
      if (holder && (await isSameProcess(holder))) throw alreadyRunning(stateDir, holder.pid);
    }
    const number = highest + 1;
    if (!createOnce(fileOf(number), JSON.stringify(own))) continue;
    const claims = listClaims(stateDir);
    if (Math.max(...claims) > number) {
      rmSync(fileOf(number), { force: true });
      continue;
    }
    // The predecessor stays for one more turn: a listing that runs meanwhile must not miss both.
    for (const older of claims) if (older < number - 1) rmSync(fileOf(older), { force: true });
    return;
  }
  throw alreadyRunning(stateDir, undefined);
}

/** The process that has the machine, if it lives. */
export async function findClaimant(stateDir: string): Promise<ProcessIdentity | undefined> {
  let highest: number;
  try {
    highest = Math.max(0, ...listClaims(stateDir));
  } catch {
    return undefined;
  }
  if (highest === 0) return undefined;
  const file = path.join(stateDir, `${MACHINE_FILES.claimPrefix}${highest}`);
  const holder = decodeIdentity(readJsonObject(file, 4096));
  return holder && (await isSameProcess(holder)) ? holder : undefined;
}

/** This process, as others will find it in the process table. */
export async function identifyOwnProcess(): Promise<ProcessIdentity> {
  const own = await identifyProcess(process.pid);
  if (!own)
    throw new EngineError('HK_MACHINE_FAILED', 'cannot find this process in the process table (is /proc mounted?)');
  return own;
}

function listClaims(stateDir: string): number[] {
  return readdirSync(stateDir)
    .filter((name) => name.startsWith(MACHINE_FILES.claimPrefix))
    .map((name) => name.slice(MACHINE_FILES.claimPrefix.length))
    .filter((number) => NUMBER.test(number))
    .map(Number);
}

/** Makes name and content appear in one step; false when the name is taken. */
function createOnce(file: string, content: string): boolean {
  const draft = draftOf(file);
  writeFileSync(draft, content, { flag: 'wx', mode: 0o644 });
  try {
    chmodSync(draft, 0o644); // whatever the umask says: a claim that cannot be read counts as dead
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function alreadyRunning(stateDir: string, pid: number | undefined): EngineError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new EngineError(
    'HK_MACHINE_RUNNING',
    `cannot start the machine in ${stateDir}: ${who} is running it; stop it first, or wait until it has started`,
  );
}
