import { rm } from 'node:fs/promises';
import { killMachine } from '../../engine/machine/control';
import { removeDockerContext } from '../docker/docker-context';
import { DriverError } from '../errors';
import { guardStore } from '../iso/store-error';
import type { MachineStore } from '../store/machine-store';
import { swarmOfMachine } from '../swarm/swarm-of-machine';

export interface RemoveOptions {
  /** Also one whose config.json is damaged, or on which another command works. */
  readonly force: boolean;
  readonly onWarning: (text: string) => void;
}

/**
 * Ends a machine and deletes all that is of it: folder, data, docker context. One of a swarm leaves that first, and the
 * last one takes the swarm along. A machine of another driver is never touched.
 */
export async function removeHost(
  store: MachineStore,
  name: string,
  { force, onWarning }: RemoveOptions,
): Promise<void> {
  const folder = store.folderOf(name);
  let swarm: string | undefined;
  try {
    const machine = await store.load(name);
    const driver = machine.requireDriver();
    swarm = swarmOfMachine(machine);
    const isMember = swarm !== undefined;
    const remove = async (): Promise<void> => {
      if (isMember) await (await import('../swarm/leave-swarm')).leaveBeforeRemoval(store, machine, onWarning);
      await driver.remove();
      await deleteFolder(folder);
    };
    await (force ? remove() : machine.withLock(`hyperkit rm ${name}`, remove));
  } catch (error) {
    const isDamaged = error instanceof DriverError && error.code === 'HK_CONFIG_INVALID';
    if (!force || !isDamaged) throw error;
    onWarning(error.message);
    // Without a configuration its processes are still found by the files they left.
    await killMachine(folder);
    await deleteFolder(folder);
  }
  await removeDockerContext(name, store.path);
  if (swarm !== undefined) await (await import('../swarm/swarm-machines')).deleteEmptySwarm(store, swarm);
}

async function deleteFolder(folder: string): Promise<void> {
  await guardStore(folder, async () => await rm(folder, { recursive: true, force: true }));
}
