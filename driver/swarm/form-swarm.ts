import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors';
import type { MachineStore } from '../store/machine-store';
import { addressInSwarm } from './swarm-member';
import {
  initSwarm,
  joinSwarm,
  type KnownNode,
  listNodes,
  openNode,
  readJoinTokens,
  readMembership,
  type SwarmNode,
  updateNode,
} from './swarm-node';
import type { SwarmRecord } from './swarm-record';

/** A node that joins asks for a certificate and starts its raft: seconds, under emulation on a busy host a minute. */
const JOIN_MS = 180_000;
const LOOK_EVERY_MS = 500;

export interface SwarmWishes {
  /** Of every node. */
  readonly labels: Readonly<Record<string, string>>;
  /** Managers get no tasks of services. */
  readonly drainManagers: boolean;
}

/**
 * Makes a swarm of machines that run and are in none, and waits until every node is ready.
 * @throws DriverError HK_SWARM_FAILED, HK_DOCKER_UNREACHABLE
 */
export async function formSwarm(
  store: MachineStore,
  name: string,
  { managers, workers }: SwarmRecord,
  { labels, drainManagers }: SwarmWishes,
  { signal, onPhase }: { readonly signal: AbortSignal; readonly onPhase: (text: string) => void },
): Promise<void> {
  const open = async (machineName: string) => {
    const machine = await store.load(machineName);
    return { node: await openNode(store, machine, signal), address: addressInSwarm(store, name, machine) };
  };
  const [first, ...others] = await Promise.all(managers.map(open));
  if (first === undefined) throw new DriverError('HK_USAGE', 'a swarm needs a manager');
  onPhase(`Making a swarm of ${managers.length + workers.length}`);
  await initSwarm(first.node, first.address);
  const tokens = await readJoinTokens(first.node);
  // One after the other: each new manager changes who has to agree on the next.
  for (const { node, address } of others) {
    await join(node, () => joinSwarm(node, address, first.address, tokens.Manager));
  }
  await Promise.all(
    workers.map(async (worker) => {
      const { node, address } = await open(worker);
      await join(node, () => joinSwarm(node, address, first.address, tokens.Worker));
    }),
  );
  onPhase('Waiting for every node');
  const nodes = await allReady(first.node, managers.length + workers.length);
  for (const { ID, Spec } of nodes) {
    const isDrained = drainManagers && Spec.Role === 'manager';
    if (!isDrained && Object.keys(labels).length === 0) continue;
    await updateNode(first.node, ID, ({ Labels }) => ({
      Labels: { ...Labels, ...labels },
      ...(isDrained ? { Availability: 'drain' } : {}),
    }));
  }
}

/** What takes too long goes on in Docker, so its state counts and not its answer. */
async function join(node: SwarmNode, request: () => Promise<void>): Promise<void> {
  const failure = await request().then(
    () => undefined,
    (error: Error) => error,
  );
  for (const deadline = Date.now() + JOIN_MS; ; await sleep(LOOK_EVERY_MS)) {
    node.signal.throwIfAborted();
    const { LocalNodeState, Error: trouble } = await readMembership(node);
    if (LocalNodeState === 'active') return;
    if (LocalNodeState === 'pending' && Date.now() < deadline) continue;
    throw failure ?? failed(node, `it is ${LocalNodeState} ${trouble}`);
  }
}

async function allReady(manager: SwarmNode, count: number): Promise<readonly KnownNode[]> {
  for (const deadline = Date.now() + JOIN_MS; ; await sleep(LOOK_EVERY_MS)) {
    const nodes = await listNodes(manager);
    const ready = nodes.filter(({ Status }) => Status.State === 'ready');
    if (ready.length >= count) return ready;
    if (Date.now() > deadline) throw failed(manager, `only ${ready.length} of ${count} nodes are ready`);
  }
}

function failed(node: SwarmNode, why: string): DriverError {
  return new DriverError('HK_SWARM_FAILED', `cannot join the swarm with "${node.machine}": ${why}`);
}
