import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { parseJsonObject } from '../../engine/json-object';
import { isSameProcess } from '../../engine/machine/process-identity';
import { decodeIdentity } from '../../engine/machine/runtime-state';
import { replaceFile } from '../../engine/storage/atomic-file';
import { readSmallFile } from '../../engine/storage/small-file';
import { DriverError } from '../errors';
import { guardStore } from '../iso/store-error';
import { isMachineName } from '../store/machine-name';

const MAX_BYTES = 64 * 1024;

/** What a keeper was told; there while the pool is. */
export interface PoolRecord {
  /** How many machines are kept ready. */
  readonly size: number;
  readonly memoryLimitMiB: number;
  /** What one machine counts for, MiB. */
  readonly costMiB: number;
}

/** pools/NAME: the record, the keeper's lock, and marks of unfinished machines. */
export function poolFolder(storePath: string, pool: string): string {
  return path.join(storePath, 'pools', pool);
}

/** Names of the store's pools, sorted. */
export function listPools(storePath: string): readonly string[] {
  const folder = path.join(storePath, 'pools');
  try {
    return readdirSync(folder)
      .filter((name) => isMachineName(name) && existsSync(recordPath(storePath, name)))
      .sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(folder, (cause as Error).message, cause);
  }
}

/** @throws DriverError HK_POOL_UNKNOWN, HK_CONFIG_INVALID when its record is no use */
export function readPool(storePath: string, pool: string): PoolRecord {
  const file = recordPath(storePath, pool);
  const reading = isMachineName(pool) ? readSmallFile(file, MAX_BYTES) : { code: 'ENOENT', problem: '' };
  if ('code' in reading && reading.code === 'ENOENT') throw unknownPool(pool);
  const { size, memoryLimitMiB, costMiB } = parseJsonObject('text' in reading ? reading.text : '') ?? {};
  if (isCount(size) && isCount(memoryLimitMiB) && isCount(costMiB)) return { size, memoryLimitMiB, costMiB };
  throw new DriverError(
    'HK_CONFIG_INVALID',
    `cannot use pool "${pool}": ${file} is damaged; the next start of its keeper writes it anew, "hyperkit pool rm ${pool}" removes the pool`,
  );
}

export function unreadable(file: string, why: string, cause?: unknown): DriverError {
  return new DriverError('HK_STORE_UNWRITABLE', `cannot read ${file}: ${why}`, { cause });
}

export function unknownPool(pool: string): DriverError {
  const text = `pool "${pool}" does not exist; "hyperkit pool ls" lists the pools, "hyperkit pool run ${pool}" keeps this one`;
  return new DriverError('HK_POOL_UNKNOWN', text);
}

/** @throws DriverError HK_STORE_UNWRITABLE, HK_DISK_FULL */
export async function writePool(storePath: string, pool: string, record: PoolRecord): Promise<void> {
  const file = recordPath(storePath, pool);
  const text = `${JSON.stringify(record)}\n`;
  await guardStore(file, async () => await replaceFile(file, 0o600, async (handle) => await handle.writeFile(text)));
}

/** A pool that is held by the one who works on it. */
export interface HeldPool {
  /** Lets go of it. @param deleted deletes its record, and its folder when nobody else took the pool meanwhile */
  release(deleted: boolean): Promise<void>;
}

/**
 * Takes a pool for this process, for as long as that lives; makes its folder.
 * @throws DriverError HK_POOL_BUSY, HK_STORE_UNWRITABLE, HK_DISK_FULL
 */
export async function holdPool(storePath: string, pool: string, command: string): Promise<HeldPool> {
  const { lockMachine } = await import('../lifecycle/machine-lock');
  const folder = poolFolder(storePath, pool);
  await guardStore(folder, async () => await mkdir(folder, { recursive: true, mode: 0o700 }));
  const lock = lockPath(storePath, pool);
  const held = await lockMachine({ directory: folder, lock }, pool, command).catch(async (cause: unknown) => {
    if (!(cause instanceof DriverError) || cause.code !== 'HK_MACHINE_BUSY') throw cause;
    const pid = await findKeeper(storePath, pool);
    const text = `cannot work on pool "${pool}": process ${pid ?? 'unknown'} keeps it; end that first, with SIGTERM`;
    throw new DriverError('HK_POOL_BUSY', text, { cause });
  });
  return {
    release: async (deleted) => {
      if (deleted) await rm(recordPath(storePath, pool), { force: true });
      await held.release();
      // Not recursive: whoever takes the pool in this moment finds the folder as it needs it, or makes it.
      if (deleted) await rmdir(folder).catch(() => undefined);
    },
  };
}

/** The process that keeps a pool, if it lives. */
export async function findKeeper(storePath: string, pool: string): Promise<number | undefined> {
  const reading = readSmallFile(lockPath(storePath, pool), MAX_BYTES);
  const holder = decodeIdentity('text' in reading ? parseJsonObject(reading.text) : undefined);
  return holder !== undefined && (await isSameProcess(holder)) ? holder.pid : undefined;
}

function recordPath(storePath: string, pool: string): string {
  return path.join(poolFolder(storePath, pool), 'pool.json');
}

function lockPath(storePath: string, pool: string): string {
  return path.join(poolFolder(storePath, pool), 'keeper.lock');
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
