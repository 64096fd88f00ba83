import { renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseJsonObject } from '../../engine/json-object';
import { replaceSmallFile } from '../../engine/machine/machine-files';
import { readSmallFile } from '../../engine/storage/small-file';
import { unreadable } from './pool-record';

/*
 * What a machine is to its pool is the name of one file in the machine's folder: pool-ready becomes pool-taken or
 * pool-retired by rename(2), which of several succeeds for one. It goes with the machine, whoever removes that.
 */

const MAX_BYTES = 4096;

/** `taken`: handed out, nobody's but its user's. `retired`: to be removed by the keeper. */
export type MarkState = 'ready' | 'taken' | 'retired';

export interface PoolMark {
  readonly state: MarkState;
  /** When it became that, ms since 1970. */
  readonly sinceMs: number;
  /** What it was made with; undefined: cannot be told. */
  readonly origin: MarkOrigin | undefined;
}

export interface MarkOrigin {
  /** Digest of its options. */
  readonly key: string;
  /** What it counts for, MiB. */
  readonly costMiB: number;
}

/** Marks a machine that has no mark as ready. Errors of the file system pass through. */
export function layMark(folder: string, origin: MarkOrigin): void {
  replaceSmallFile(markPath(folder, 'ready'), `${JSON.stringify(origin)}\n`, 0o600);
}

/** Takes or retires a ready machine; false when somebody else has done so, or removed it. */
export function moveMark(folder: string, to: 'taken' | 'retired'): boolean {
  try {
    renameSync(markPath(folder, 'ready'), markPath(folder, to));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** @throws DriverError HK_STORE_UNWRITABLE when there is one that cannot be read */
export function readMark(folder: string): PoolMark | undefined {
  // In the order in which they follow each other, so that none is missed.
  for (const state of ['ready', 'taken', 'retired'] as const) {
    const file = markPath(folder, state);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    return { state, sinceMs: stat.ctimeMs, origin: readOrigin(file) };
  }
  return undefined;
}

function readOrigin(file: string): MarkOrigin | undefined {
  const reading = readSmallFile(file, MAX_BYTES);
  // Gone is what was moved on meanwhile; too long, or no file, is damaged.
  if ('code' in reading && reading.code !== 'ENOENT') throw unreadable(file, reading.problem);
  const { key, costMiB } = parseJsonObject('text' in reading ? reading.text : '') ?? {};
  const isWhole = typeof key === 'string' && Number.isSafeInteger(costMiB) && (costMiB as number) > 0;
  return isWhole ? { key, costMiB: costMiB as number } : undefined;
}

function markPath(folder: string, state: MarkState): string {
  return path.join(folder, `pool-${state}`);
}
