import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '../contract/machine-driver';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';
import { findManager } from './swarm-member';
import { countTasks, leaveSwarm, listNodes, openNode, removeNode, type SwarmNode, updateNode } from './swarm-node';
import { swarmOfMachine } from './swarm-of-machine';

/** For all of it: a machine that is to be removed is removed, whatever its swarm says. */
const LEAVE_MS = 60_000;
/** Docker gives a container 10 s to end before it kills it. */
const DRAIN_MS = 20_000;
const LOOK_EVERY_MS = 500;

/**
 * Takes a machine out of its swarm before it is removed: its tasks are given to others, it leaves, and the managers forget
 * it. Also one that does not run. Never throws; what could not be done is told to `onWarning`.
 */
export async function leaveBeforeRemoval(
  store: MachineStore,
  machine: StoredMachine,
  onWarning: (text: string) => void,
): Promise<void> {
  const swarm = swarmOfMachine(machine);
  if (swarm === undefined) return;
  const signal = AbortSignal.timeout(LEAVE_MS);
  try {
    const manager = await findManager(store, swarm, signal, machine.name);
    // Nobody is there to be told. A last manager takes its swarm with it.
    if (manager === undefined) return;
    const ids = await nodesOf(manager, machine.name);
    for (const id of ids) await updateNode(manager, id, () => ({ Availability: 'drain', Role: 'worker' }));
    await Promise.all(ids.map((id) => drained(manager, id)));
    if ((await machine.requireDriver().getState()) === MachineState.Running) {
      await leaveSwarm(await openNode(store, machine, signal));
    }
    for (const id of ids) await forget(manager, id);
  } catch (error) {
    const why = signal.aborted ? `it took more than ${LEAVE_MS / 1000} s` : (error as Error).message;
    onWarning(`"${machine.name}" did not leave swarm "${swarm}" in order: ${why}`);
  }
}

/** Machines are called by their names in a swarm, too; several nodes of one name are what earlier machines left there. */
async function nodesOf(manager: SwarmNode, name: string): Promise<readonly string[]> {
  const nodes = await listNodes(manager);
  return nodes.filter(({ Description }) => Description.Hostname === name).map(({ ID }) => ID);
}

/** Waits until no task runs on a node, or for 20 s. While managers choose another leader nobody knows. */
export async function drained(manager: SwarmNode, nodeId: string): Promise<void> {
  const deadline = Date.now() + DRAIN_MS;
  while ((await countTasks(manager, nodeId).catch(() => 1)) > 0 && Date.now() < deadline) await sleep(LOOK_EVERY_MS);
}

/** What managers say while one of them is becoming a worker. */
const NOT_YET = /must be demoted|does not have a leader/;

async function forget(manager: SwarmNode, nodeId: string): Promise<void> {
  for (;;) {
    try {
      await removeNode(manager, nodeId);
      return;
    } catch (error) {
      if (manager.signal.aborted || !NOT_YET.test((error as Error).message)) throw error;
    }
    await sleep(LOOK_EVERY_MS);
  }
}
