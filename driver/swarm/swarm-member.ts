import { findSharedAddress } from '../../engine/shared-network/control-shared-network';
import { openDeadline } from '../deadline-signal';
import { DriverError } from '../errors';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';
import { swarmFolder } from './swarm-network';
import { openNode, readMembership, type SwarmNode } from './swarm-node';
import { configOf, swarmOfMachine } from './swarm-of-machine';

/** Whether a machine answers is soon known. */
const LOOK_MS = 10_000;

/** A machine's address in its swarm's network. @throws DriverError HK_SWARM_FAILED when it was never there */
export function addressInSwarm(store: MachineStore, swarm: string, machine: StoredMachine): string {
  const address = findSharedAddress(swarmFolder(store.path, swarm), configOf(machine).UUID);
  if (address !== undefined) return address;
  throw new DriverError(
    'HK_SWARM_FAILED',
    `cannot find machine "${machine.name}" in the network of swarm "${swarm}"; "hyperkit restart ${machine.name}" plugs it in`,
  );
}

/** Machines of the store in a swarm's network, sorted by name; those that cannot be read are none. */
export async function listMembers(store: MachineStore, swarm: string): Promise<readonly StoredMachine[]> {
  const machines = await Promise.all(store.list().map((name) => store.load(name).catch(() => undefined)));
  return machines.filter((machine) => machine !== undefined).filter((machine) => swarmOfMachine(machine) === swarm);
}

/** A member that runs, is a manager and answers, other than `except`; undefined: there is none. */
export async function findManager(
  store: MachineStore,
  swarm: string,
  signal: AbortSignal,
  except?: string,
): Promise<SwarmNode | undefined> {
  const members = (await listMembers(store, swarm)).filter(({ name }) => name !== except);
  const soon = openDeadline(LOOK_MS, signal);
  const found = await Promise.all(
    members.map(async (machine) => {
      try {
        const { LocalNodeState, ControlAvailable } = await readMembership(await openNode(store, machine, soon.signal));
        return LocalNodeState === 'active' && ControlAvailable ? await openNode(store, machine, signal) : undefined;
      } catch {
        signal.throwIfAborted();
        return undefined;
      }
    }),
  ).finally(() => soon.clear());
  return found.find((node) => node !== undefined);
}
