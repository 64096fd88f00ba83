import type { MachineStore } from '../store/machine-store';
import { listMembers } from './swarm-member';
import { deleteSwarm, readSwarm, type SwarmRecord } from './swarm-record';

/**
 * Names of all machines of a swarm that are still there, in the roles that they were made for: those whose configuration
 * says that they are of it, and those whose configuration cannot be read but that were made for it. A machine that was
 * made anew under an old name is somebody's who has nothing to do with the swarm.
 */
export async function findSwarmMachines(store: MachineStore, name: string): Promise<SwarmRecord> {
  const { managers, workers } = readAsFarAsPossible(store, name);
  const members = (await listMembers(store, name)).map((member) => member.name);
  const made = [...managers, ...workers].filter((machine) => store.has(machine) && !members.includes(machine));
  const damaged = await Promise.all(
    made.map(async (machine) => ((await store.load(machine).catch(() => undefined)) === undefined ? [machine] : [])),
  );
  const all = [...members, ...damaged.flat()];
  return {
    managers: all.filter((machine) => managers.includes(machine)),
    workers: all.filter((machine) => !managers.includes(machine)),
  };
}

/** Deletes a swarm whose last machine is gone. */
export async function deleteEmptySwarm(store: MachineStore, name: string): Promise<void> {
  const { managers, workers } = await findSwarmMachines(store, name);
  if (managers.length + workers.length === 0) await deleteSwarm(store.path, name);
}

function readAsFarAsPossible(store: MachineStore, name: string): SwarmRecord {
  try {
    return readSwarm(store.path, name);
  } catch {
    return { managers: [], workers: [] };
  }
}
