import { openDeadline } from '../deadline-signal';
import { removeHost } from '../host/remove-host';
import type { MachineStore } from '../store/machine-store';
import { drained } from './leave-swarm';
import { findSwarmMachines } from './swarm-machines';
import { findManager } from './swarm-member';
import { hasSwarm } from './swarm-network';
import { listNodes, updateNode } from './swarm-node';
import { deleteSwarm, readSwarm, unknownSwarm } from './swarm-record';

/** For all nodes together, at once. */
const DRAIN_ALL_MS = 60_000;

export interface SwarmRemoval {
  /** Also machines that are damaged or on which other commands work, and a swarm whose record is damaged. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  readonly onPhase: (text: string) => void;
  readonly onRemoved: (machine: string) => void;
  readonly onWarning: (text: string) => void;
}

/**
 * Removes a swarm with its machines: every node is drained, so that no task is begun anew on the way; then the workers
 * leave and are removed, then the managers one after the other, then the network. Machines that are off are removed, too.
 * One that cannot be removed keeps the swarm, but not the others.
 * @throws DriverError HK_SWARM_UNKNOWN, HK_CONFIG_INVALID, and what removing a machine fails with
 */
export async function removeSwarm(store: MachineStore, name: string, removal: SwarmRemoval): Promise<void> {
  const { force, signal, onPhase, onRemoved, onWarning } = removal;
  if (!hasSwarm(store.path, name)) throw unknownSwarm(name);
  if (!force) readSwarm(store.path, name);
  const { managers, workers } = await findSwarmMachines(store, name);
  onPhase(`Draining the nodes of "${name}"`);
  await drainAll(store, name, signal);
  const failures: unknown[] = [];
  const remove = async (machine: string): Promise<void> => {
    signal.throwIfAborted();
    try {
      await removeHost(store, machine, { force, onWarning });
      onRemoved(machine);
    } catch (error) {
      failures.push(error);
    }
  };
  onPhase(`Removing the machines of "${name}"`);
  await Promise.all(workers.map(remove));
  for (const manager of managers) await remove(manager);
  if (failures.length > 0) throw failures[0];
  await deleteSwarm(store.path, name);
}

/** As well as it goes: a swarm without a manager that answers has nobody who would begin a task anew. */
async function drainAll(store: MachineStore, name: string, signal: AbortSignal): Promise<void> {
  const deadline = openDeadline(DRAIN_ALL_MS, signal);
  try {
    const manager = await findManager(store, name, deadline.signal);
    if (manager === undefined) return;
    const nodes = await listNodes(manager);
    for (const { ID } of nodes) await updateNode(manager, ID, () => ({ Availability: 'drain' }));
    await Promise.all(nodes.map(({ ID }) => drained(manager, ID)));
  } catch {
    signal.throwIfAborted();
  } finally {
    deadline.clear();
  }
}
