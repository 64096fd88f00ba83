import { execFile } from 'node:child_process';
import { chmod, rm, stat } from 'node:fs/promises';
import { EngineError } from '../errors';

/** Some hundred megabytes, on a slow disk. */
const DEADLINE_MS = 60_000;

/**
 * Copies a raw disk: its holes stay holes, and a file system that can share blocks until one of the two is changed does.
 * The copy is only the owner's. Whatever fails, nothing is left of it.
 * @throws EngineError HK_DISK_FAILED; the signal's reason on abort.
 */
export async function copyDisk(source: string, target: string, signal?: AbortSignal): Promise<void> {
  try {
    await runCopy(source, target, signal);
    await chmod(target, 0o600);
    const [from, to] = await Promise.all([stat(source), stat(target)]);
    if (from.size !== to.size) throw new Error(`the copy has ${to.size} bytes of ${from.size}`);
  } catch (cause) {
    await rm(target, { force: true });
    signal?.throwIfAborted();
    const text = `cannot copy disk ${source} to ${target}: ${(cause as Error).message}`;
    throw new EngineError('HK_DISK_FAILED', text, { cause });
  }
}

/** GNU cp copies within the kernel, and only where there is data. */
async function runCopy(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  const words = ['--reflink=auto', '--sparse=auto', '--no-preserve=all', '--', source, target];
  const options = {
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    ...(signal !== undefined && { signal }),
  } as const;
  await new Promise<void>((resolve, reject) => {
    execFile('cp', words, options, (error, _stdout, stderr) => {
      if (error === null) return resolve();
      if (error.killed) return reject(new Error(`it took more than ${DEADLINE_MS / 1000} s`));
      reject(new Error(stderr.trim().split('\n').at(-1) || error.message));
    });
  });
}
