import * as v from 'valibot';
import { callDocker, type DockerCall, type DockerTarget, dockerTarget } from '../docker/docker-client';
import { DriverError } from '../errors';
import { readAuthPaths } from '../host/host-options';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';

/** Docker itself gives up on joining after 20 s, and then goes on in the background. */
const CALL_MS = 60_000;
/** The port on which managers talk; in the swarm's network only, no forward leads to it. */
const MANAGER_PORT = 2377;
const LISTEN = `0.0.0.0:${MANAGER_PORT}`;

/** A machine's Docker, as a node of a swarm or about to be one. */
export interface SwarmNode {
  readonly machine: string;
  readonly target: DockerTarget;
  readonly signal: AbortSignal;
}

/** What a node's own Docker says of its membership (Engine API, `Swarm` of `GET /info`). */
const membership = v.object({
  Swarm: v.object({
    NodeID: v.string(),
    LocalNodeState: v.picklist(['inactive', 'pending', 'active', 'error', 'locked']),
    ControlAvailable: v.boolean(),
    Error: v.optional(v.string(), ''),
  }),
});
export type Membership = v.InferOutput<typeof membership>['Swarm'];

const spec = v.looseObject({
  Role: v.picklist(['manager', 'worker']),
  Availability: v.picklist(['active', 'pause', 'drain']),
  Labels: v.nullish(v.record(v.string(), v.string())),
});
export type NodeSpec = v.InferOutput<typeof spec>;

/** A node as managers see it (`Node` of the Engine API). */
const knownNode = v.object({
  ID: v.string(),
  Version: v.object({ Index: v.number() }),
  Spec: spec,
  Description: v.object({ Hostname: v.string() }),
  Status: v.object({ State: v.string() }),
});
export type KnownNode = v.InferOutput<typeof knownNode>;

const tokens = v.object({ JoinTokens: v.object({ Manager: v.string(), Worker: v.string() }) });
export type JoinTokens = v.InferOutput<typeof tokens>['JoinTokens'];

const tasks = v.array(v.object({ Status: v.object({ State: v.string() }) }));

/** @throws DriverError HK_HOST_NOT_RUNNING, HK_FOREIGN_DRIVER, HK_CERTIFICATE_INVALID */
export async function openNode(store: MachineStore, machine: StoredMachine, signal: AbortSignal): Promise<SwarmNode> {
  const paths = readAuthPaths(machine.document, store.path, machine.folder);
  const url = await machine.requireDriver().getURL();
  return { machine: machine.name, target: dockerTarget(url, paths), signal };
}

/** Makes a swarm of which the node is the first manager. @param address of the node in the swarm's network */
export async function initSwarm(node: SwarmNode, address: string): Promise<void> {
  const body = { ListenAddr: LISTEN, AdvertiseAddr: address };
  await ask(node, 'make a swarm on', { method: 'POST', path: '/swarm/init', body });
}

/** @param manager address of a manager in the swarm's network */
export async function joinSwarm(node: SwarmNode, address: string, manager: string, token: string): Promise<void> {
  const body = {
    ListenAddr: LISTEN,
    AdvertiseAddr: address,
    RemoteAddrs: [`${manager}:${MANAGER_PORT}`],
    JoinToken: token,
  };
  await ask(node, 'join the swarm with', { method: 'POST', path: '/swarm/join', body });
}

/** Also a manager, whatever that means for the others. */
export async function leaveSwarm(node: SwarmNode): Promise<void> {
  await ask(node, 'leave the swarm with', { method: 'POST', path: '/swarm/leave?force=true' });
}

/** By a manager's word. */
export async function readJoinTokens(manager: SwarmNode): Promise<JoinTokens> {
  return (await askFor(tokens, manager, 'read the join tokens of', '/swarm')).JoinTokens;
}

export async function readMembership(node: SwarmNode): Promise<Membership> {
  return (await askFor(membership, node, 'ask for the membership of', '/info')).Swarm;
}

/** By a manager's word. */
export async function listNodes(manager: SwarmNode): Promise<readonly KnownNode[]> {
  return await askFor(v.array(knownNode), manager, 'list the nodes of', '/nodes');
}

/** How many tasks of services still run on a node, by a manager's word. */
export async function countTasks(manager: SwarmNode, nodeId: string): Promise<number> {
  const filters = encodeURIComponent(JSON.stringify({ node: [nodeId] }));
  const found = await askFor(tasks, manager, 'list the tasks of', `/tasks?filters=${filters}`);
  return found.filter(({ Status }) => Status.State === 'running').length;
}

/** Changes what a manager knows of a node: labels, availability, role. Once more if others change it at the same time. */
export async function updateNode(
  manager: SwarmNode,
  nodeId: string,
  change: (spec: NodeSpec) => Partial<NodeSpec>,
): Promise<void> {
  const id = encodeURIComponent(nodeId);
  for (let isLast = false; ; isLast = true) {
    const { Version, Spec } = await askFor(knownNode, manager, 'look at a node by', `/nodes/${id}`);
    const path = `/nodes/${id}/update?version=${Version.Index}`;
    try {
      await ask(manager, 'change a node by', { method: 'POST', path, body: { ...Spec, ...change(Spec) } });
      return;
    } catch (error) {
      if (isLast || !/out of sequence/.test((error as Error).message)) throw error;
    }
  }
}

/** Makes a manager forget a node, also one that never said goodbye. */
export async function removeNode(manager: SwarmNode, nodeId: string): Promise<void> {
  const path = `/nodes/${encodeURIComponent(nodeId)}?force=true`;
  await ask(manager, 'remove a node by', { method: 'DELETE', path });
}

async function askFor<T extends v.GenericSchema>(
  schema: T,
  node: SwarmNode,
  doing: string,
  path: string,
): Promise<v.InferOutput<T>> {
  const text = await ask(node, doing, { method: 'GET', path });
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    throw refused(node, doing, 'it answers something that cannot be understood', cause);
  }
}

async function ask(
  node: SwarmNode,
  doing: string,
  call: Pick<DockerCall, 'method' | 'path' | 'body'>,
): Promise<string> {
  node.signal.throwIfAborted();
  const { status, text } = await callDocker(node.target, { ...call, deadlineMs: CALL_MS, signal: node.signal });
  if (status >= 200 && status < 300) return text;
  throw refused(node, doing, messageOf(text) ?? `status ${status}`);
}

function refused(node: SwarmNode, doing: string, why: string, cause?: unknown): DriverError {
  return new DriverError('HK_SWARM_FAILED', `cannot ${doing} "${node.machine}": Docker says: ${why}`, { cause });
}

function messageOf(text: string): string | undefined {
  try {
    return v.parse(v.object({ message: v.string() }), JSON.parse(text)).message;
  } catch {
    return undefined;
  }
}
