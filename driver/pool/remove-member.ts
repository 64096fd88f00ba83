import { DriverError } from '../errors';
import { removeHost } from '../host/remove-host';
import type { MachineStore } from '../store/machine-store';
import { moveMark } from './pool-mark';
import { dropUnfinished, layUnfinished, listMembers } from './pool-members';

/** Ends and deletes one machine, which may be half made, half deleted or gone. */
export type RemoveMachine = (name: string) => Promise<void>;

/** The same, of a store. */
export function removeFrom(store: MachineStore, onWarning: (text: string) => void): RemoveMachine {
  return async (name) => {
    try {
      await removeHost(store, name, { force: true, onWarning });
    } catch (error) {
      if (!(error instanceof DriverError) || error.code !== 'HK_MACHINE_UNKNOWN') throw error;
    }
  };
}

/** Removes a machine of a pool; when it is cut off, the next keeper goes on. Answers whether there was one. */
export async function removeMember(
  store: MachineStore,
  pool: string,
  name: string,
  remove: RemoveMachine,
): Promise<boolean> {
  try {
    layUnfinished(store, pool, name);
  } catch {
    // A full disk is no reason to keep it.
  }
  const wasThere = store.has(name);
  await remove(name);
  dropUnfinished(store, pool, name);
  return wasThere;
}

/**
 * Removes every machine of a pool that was not handed out.
 * @throws what the first removal fails with, after all were tried
 */
export async function emptyPool(
  store: MachineStore,
  pool: string,
  remove: RemoveMachine,
  onRemoved: (name: string) => void,
): Promise<void> {
  for (const { name, state } of listMembers(store, pool)) {
    if (state === 'ready') moveMark(store.folderOf(name), 'retired');
  }
  const left = listMembers(store, pool).filter(({ state }) => state !== 'taken');
  const outcomes = await Promise.allSettled(
    left.map(async ({ name }) => {
      if (await removeMember(store, pool, name, remove)) onRemoved(name);
    }),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
