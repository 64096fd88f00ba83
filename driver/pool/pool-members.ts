import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { MachineStore } from '../store/machine-store';
import { type MarkOrigin, type MarkState, readMark } from './pool-mark';
import { poolFolder, unreadable } from './pool-record';

const UNFINISHED = '.unfinished';

/** A machine of a pool. */
export interface PoolMember {
  readonly name: string;
  /** `unfinished`: being made or deleted, or left in the middle of it by a keeper that was killed. */
  readonly state: MarkState | 'unfinished';
  /** When it became that, ms since 1970; of an unfinished one it is not known. */
  readonly sinceMs?: number;
  readonly origin: MarkOrigin | undefined;
}

/**
 * Every machine that counts for a pool, sorted by name: marked ones, and names that its keeper has laid down.
 * @throws DriverError HK_STORE_UNWRITABLE rather than leaving one out
 */
export function listMembers(store: MachineStore, pool: string): readonly PoolMember[] {
  const members = new Map<string, PoolMember>();
  for (const name of listUnfinished(store, pool)) members.set(name, { name, state: 'unfinished', origin: undefined });
  for (const name of store.list()) {
    const mark = isNameOf(pool, name) ? readMark(store.folderOf(name)) : undefined;
    if (mark !== undefined) members.set(name, { name, ...mark });
  }
  return [...members.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A name for a new machine of a pool: POOL-3f9a1c. */
export function newMemberName(store: MachineStore, pool: string): string {
  for (;;) {
    const name = `${pool}-${randomBytes(3).toString('hex')}`;
    if (!store.has(name)) return name;
  }
}

/**
 * Lays down that a machine is about to be made or deleted, before anything of that happens: whoever keeps the pool next
 * deletes what there is of it, unless it is marked as ready or taken by then. Errors of the file system pass through.
 */
export function layUnfinished(store: MachineStore, pool: string, name: string): void {
  writeFileSync(unfinishedPath(store, pool, name), '', { mode: 0o600 });
}

export function dropUnfinished(store: MachineStore, pool: string, name: string): void {
  rmSync(unfinishedPath(store, pool, name), { force: true });
}

function listUnfinished(store: MachineStore, pool: string): readonly string[] {
  const folder = poolFolder(store.path, pool);
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith(UNFINISHED))
      .map((file) => file.slice(0, -UNFINISHED.length))
      .filter((name) => isNameOf(pool, name));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(folder, (cause as Error).message, cause);
  }
}

/** The rest is six digits, so a machine is of one pool only: `ci-3f9a1c-3f9a1c` is of `ci-3f9a1c`. */
function isNameOf(pool: string, name: string): boolean {
  return name.startsWith(`${pool}-`) && /^[0-9a-f]{6}$/.test(name.slice(pool.length + 1));
}

function unfinishedPath(store: MachineStore, pool: string, name: string): string {
  return path.join(poolFolder(store.path, pool), `${name}${UNFINISHED}`);
}
