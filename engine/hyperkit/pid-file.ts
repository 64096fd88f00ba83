import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { EngineError } from '../errors';

/** A pid file that holds this process's id, for as long as it is there. */
export interface PidFile {
  /** Removes it, unless somebody else has taken its place. */
  remove(): void;
}

/**
 * Writes the decimal process id, without a newline, to a file that must not be there. One of a process that lives no
 * longer is replaced: HyperKit leaves such a file behind when it is killed, and refuses to start until somebody
 * has deleted it.
 * @throws EngineError HK_MACHINE_RUNNING when a process of that id lives; HK_STATE_UNREADABLE when the file can't be written.
 */
export function writePidFile(file: string): PidFile {
  const own = String(process.pid);
  try {
    if (!tryCreate(file, own)) {
      refuseLiving(file);
      unlinkSync(file);
      // Of two that find the same stale file one is second here.
      if (!tryCreate(file, own)) throw new Error('another process was first');
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    const text = `Failed to set up pidfile ${file}: ${(cause as Error).message}`;
    throw new EngineError('HK_STATE_UNREADABLE', text, { cause });
  }
  return {
    remove: () => {
      try {
        if (readFileSync(file, 'latin1') === own) unlinkSync(file);
      } catch {
        // It is gone.
      }
    },
  };
}

function tryCreate(file: string, text: string): boolean {
  let fd: number;
  try {
    fd = openSync(file, 'wx', 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
  return true;
}

function refuseLiving(file: string): void {
  const text = readFileSync(file, 'latin1').slice(0, 32).trim();
  const pid = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
  // A file without a number may be of somebody who is just writing it.
  if (pid !== undefined && !lives(pid)) return;
  const who = pid === undefined ? 'it holds no process id' : `process ${pid} is running`;
  throw new EngineError(
    'HK_MACHINE_RUNNING',
    `Failed to set up pidfile ${file}: ${who}; end that machine, or delete the file`,
  );
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
