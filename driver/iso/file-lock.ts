import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

export interface FileLockTiming {
  /** After this the work is done without the lock. */
  readonly maxWaitMs: number;
  readonly pollMs: number;
  /** The holder shows that it lives by touching the file this often… */
  readonly heartbeatMs: number;
  /** …and is given up after this much silence. */
  readonly silenceMs: number;
}

const DEFAULT_TIMING: FileLockTiming = { maxWaitMs: 120_000, pollMs: 100, heartbeatMs: 5000, silenceMs: 30_000 };

/**
 * Runs `work` while holding the lock file `path`. The lock saves work (four machines created at once fill the cache
 * once), it is not what keeps files whole: that is rename. So nothing here fails: a holder that died or fell silent is
 * pushed aside, and whoever waited too long, or cannot write there, goes ahead without.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  timing: Partial<FileLockTiming> = {},
): Promise<T> {
  const times = { ...DEFAULT_TIMING, ...timing };
  const token = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  const isHeld = await acquire(path, token, times);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, times.heartbeatMs);
  heartbeat.unref();
  if (!isHeld) clearInterval(heartbeat);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if (isHeld && (await readToken(path)) === token) await rm(path, { force: true }).catch(() => undefined);
  }
}

async function acquire(path: string, token: string, times: FileLockTiming): Promise<boolean> {
  const endMs = performance.now() + times.maxWaitMs;
  while (performance.now() < endMs) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(token).finally(async () => await file.close());
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    const holder = await readToken(path);
    if (holder !== undefined && (await isGone(path, holder, times.silenceMs))) await pushAside(path, holder);
    else await delay(times.pollMs);
  }
  return false;
}

async function isGone(path: string, holder: string, silenceMs: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return false;
  if (Date.now() - found.mtimeMs > silenceMs) return true;
  try {
    const { pid, host } = JSON.parse(holder) as { pid: number; host: string };
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // Unreadable means: just being written.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Takes a dead holder's file away; one that was renewed in the meantime is put back. */
async function pushAside(path: string, holder: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readToken(aside)) !== holder) await link(aside, path);
  } catch {
    // Somebody else was faster.
  }
  await rm(aside, { force: true }).catch(() => undefined);
}

async function readToken(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}
