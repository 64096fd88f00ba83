import { createHash, randomBytes } from 'node:crypto';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { parseJsonObject } from '../../engine/json-object';
import { identifyProcess, isSameProcess, type ProcessIdentity } from '../../engine/machine/process-identity';
import type { MachinePaths } from '../config/machine-paths';
import { DriverError } from '../errors';

/** A held lock; `release` never throws. */
export interface MachineLock {
  release(): Promise<void>;
}

/**
 * Takes a machine's lock for the length of one command. A lock whose process is gone is taken over.
 * @param command what the holder does, for whoever is refused meanwhile
 * @throws DriverError HK_MACHINE_BUSY when a living process holds it, HK_STORE_UNWRITABLE when the folder refuses.
 */
export async function lockMachine(
  paths: Pick<MachinePaths, 'directory' | 'lock'>,
  machineName: string,
  command: string,
): Promise<MachineLock> {
  const own = JSON.stringify({ ...(await identifyProcess(process.pid)), command });
  const draft = `${paths.lock}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, own, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new DriverError(
      'HK_STORE_UNWRITABLE',
      `cannot write to ${paths.directory}: ${(cause as Error).message}; make the folder writable for this user`,
      { cause },
    );
  }
  try {
    if (await takeName(draft, paths.lock)) return { release: () => releaseIfOwn(paths.lock, own) };
    const holder = await readFile(paths.lock, 'utf8').catch(() => undefined);
    if (holder !== undefined && !(await isAlive(holder)) && (await takeOver(draft, paths.lock, holder))) {
      return { release: () => releaseIfOwn(paths.lock, own) };
    }
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  throw busy(machineName, await readFile(paths.lock, 'utf8').catch(() => ''));
}

function busy(machineName: string, holder: string): DriverError {
  const { pid, command } = parseJsonObject(holder) ?? {};
  const who = typeof command === 'string' ? `"${command}"` : 'another command';
  const process = typeof pid === 'number' ? ` (process ${pid})` : '';
  return new DriverError(
    'HK_MACHINE_BUSY',
    `cannot work on machine "${machineName}": ${who}${process} is working on it; wait for it to end`,
  );
}

/** Who holds a lock: a command at work, one that is gone, or nobody. */
export async function findLockHolder(lock: string): Promise<'alive' | 'gone' | undefined> {
  const holder = await readFile(lock, 'utf8').catch(() => undefined);
  if (holder === undefined) return undefined;
  return (await isAlive(holder)) ? 'alive' : 'gone';
}

async function isAlive(holder: string): Promise<boolean> {
  try {
    return await isSameProcess(JSON.parse(holder) as ProcessIdentity);
  } catch {
    return false;
  }
}

async function releaseIfOwn(lock: string, own: string): Promise<void> {
  const holder = await readFile(lock, 'utf8').catch(() => '');
  if (holder === own) await unlink(lock).catch(() => undefined);
}

/** link(2) creates the name and its content in one step, so nobody ever reads half a lock. */
async function takeName(draft: string, name: string): Promise<boolean> {
  try {
    await link(draft, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Replaces a lock whose process is gone. Several commands may find it at once: whoever gets the name made from the
 * stale content may replace exactly that content, so a lock taken meanwhile is never lost.
 */
async function takeOver(draft: string, lock: string, stale: string): Promise<boolean> {
  const claim = `${lock}.${createHash('sha256').update(stale).digest('hex').slice(0, 12)}`;
  if (!(await takeName(draft, claim))) {
    const claimant = await readFile(claim, 'utf8').catch(() => undefined);
    if (claimant !== undefined && !(await isAlive(claimant))) await unlink(claim).catch(() => undefined);
    return false;
  }
  try {
    if ((await readFile(lock, 'utf8').catch(() => undefined)) !== stale) return false;
    await rename(draft, lock);
    return true;
  } finally {
    await unlink(claim).catch(() => undefined);
  }
}
