import { fstatSync, readFileSync } from 'node:fs';
import { blockIo, EAGAIN, LOCK_EX, LOCK_SH } from '../../../native/block-io';
import { errnoName } from '../../../native/native-error';
import { EngineError } from '../../errors';

const LOCKS_FILE = '/proc/locks';

/**
 * Takes the lock of a disk's file for as long as `fd` is open: alone, or with other readers. It doesn't wait.
 * @throws EngineError HK_DISK_FAILED when another virtual machine has it.
 */
export function lockImage(fd: number, path: string, readOnly: boolean): void {
  const result = blockIo.lock(fd, readOnly ? LOCK_SH : LOCK_EX);
  if (result === 0) return;
  if (result !== -EAGAIN) {
    throw new EngineError('HK_DISK_FAILED', `cannot lock disk ${path}: ${errnoName(-result)}`);
  }
  const holder = findHolder(fd);
  const who = holder === undefined ? '' : ` (process ${holder})`;
  const advice = 'stop that machine, or give this one a disk of its own';
  throw new EngineError('HK_DISK_FAILED', `cannot lock disk ${path}: another virtual machine uses it${who}; ${advice}`);
}

/** The process that holds a flock on the file: `1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF` in proc(5). */
function findHolder(fd: number): number | undefined {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    const hex = (part: bigint): string => part.toString(16).padStart(2, '0');
    const file = `${hex(major)}:${hex(minor)}:${ino}`;
    for (const line of readFileSync(LOCKS_FILE, 'latin1').split('\n')) {
      const fields = line.split(/ +/);
      if (fields[1] === 'FLOCK' && fields[5] === file) return Number(fields[4]);
    }
  } catch {
    // Who it is would be nice to know, no more.
  }
  return undefined;
}
