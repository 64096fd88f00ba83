import type { MachineStore } from '../store/machine-store';
import { listMembers } from './pool-members';
import { findKeeper, readPool } from './pool-record';

/** A pool as `pool ls` tells of it. Machines by their names. */
export interface PoolStatus {
  readonly name: string;
  readonly size: number;
  readonly ready: readonly string[];
  /** Being created or removed, or left in the middle of it. */
  readonly unfinished: readonly string[];
  readonly taken: readonly { readonly name: string; readonly since: string }[];
  readonly memoryMb: number;
  readonly memoryLimitMb: number;
  /** Pid of who keeps it; null: nobody. */
  readonly keeper: number | null;
}

/** From files and the process table: milliseconds. @throws DriverError HK_POOL_UNKNOWN, HK_CONFIG_INVALID */
export async function readPoolStatus(store: MachineStore, pool: string): Promise<PoolStatus> {
  const { size, memoryLimitMiB, costMiB } = readPool(store.path, pool);
  const members = listMembers(store, pool);
  return {
    name: pool,
    size,
    ready: members.filter(({ state }) => state === 'ready').map(({ name }) => name),
    unfinished: members.filter(({ state }) => state === 'unfinished' || state === 'retired').map(({ name }) => name),
    taken: members
      .filter(({ state }) => state === 'taken')
      .map(({ name, sinceMs = 0 }) => ({ name, since: new Date(sinceMs).toISOString() })),
    memoryMb: members.reduce((sum, { origin }) => sum + (origin?.costMiB ?? costMiB), 0),
    memoryLimitMb: memoryLimitMiB,
    keeper: (await findKeeper(store.path, pool)) ?? null,
  };
}
