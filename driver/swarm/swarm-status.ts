import { sharedNetworkAnswers } from '../../engine/shared-network/control-shared-network';
import { MachineState } from '../contract/machine-driver';
import type { MachineStore } from '../store/machine-store';
import { findManager, listMembers } from './swarm-member';
import { swarmFolder } from './swarm-network';
import { listNodes } from './swarm-node';
import { readSwarm } from './swarm-record';

/** A swarm as `swarm ls` tells of it. */
export interface SwarmStatus {
  readonly name: string;
  /** Names of machines. */
  readonly managers: readonly string[];
  readonly workers: readonly string[];
  /** For people: `Ready`, `2 of 3 ready`, `Stopped`, `No manager answers`, `Network down`. */
  readonly state: string;
}

/** @throws DriverError HK_SWARM_UNKNOWN, HK_CONFIG_INVALID */
export async function readSwarmStatus(store: MachineStore, name: string, signal: AbortSignal): Promise<SwarmStatus> {
  const record = readSwarm(store.path, name);
  const machines = await listMembers(store, name);
  const names = machines.map((machine) => machine.name);
  const made = {
    name,
    managers: names.filter((machine) => record.managers.includes(machine)),
    workers: names.filter((machine) => !record.managers.includes(machine)),
  };
  const states = await Promise.all(machines.map(async (machine) => await machine.requireDriver().getState()));
  if (!states.some((state) => state !== MachineState.Stopped)) return { ...made, state: 'Stopped' };
  if (!(await sharedNetworkAnswers(swarmFolder(store.path, name)))) return { ...made, state: 'Network down' };
  try {
    const manager = await findManager(store, name, signal);
    if (manager === undefined) return { ...made, state: 'No manager answers' };
    const nodes = await listNodes(manager);
    const isManager = (machine: string): boolean =>
      nodes.some(({ Description, Spec }) => Description.Hostname === machine && Spec.Role === 'manager');
    const ready = nodes.filter(({ Status }) => Status.State === 'ready').length;
    return {
      name,
      managers: names.filter(isManager),
      workers: names.filter((machine) => !isManager(machine)),
      state: ready === nodes.length ? 'Ready' : `${ready} of ${nodes.length} ready`,
    };
  } catch {
    signal.throwIfAborted();
    return { ...made, state: 'No manager answers' };
  }
}
