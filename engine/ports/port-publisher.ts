import { type FSWatcher, watch } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestPort } from '../spec/vm-spec';
import { type DockerEndpoint, getDockerJson, openDocker } from './docker-api';
import { findIngress, readIngressPorts } from './ingress-ports';
import { portName, readPublishedPorts } from './published-ports';

/** Of networks, because the first thing that joining a Swarm makes is one. */
const EVENTS = `/events?filters=${encodeURIComponent('{"type":["container","network"],"event":["start","die","restart","unpause","create","destroy"]}')}`;
const CONTAINERS = '/containers/json';
const SWARM_NETWORKS = `/networks?filters=${encodeURIComponent('{"scope":["swarm"]}')}`;

/** Docker tells nobody but managers of a Swarm's services, so every node looks after them by itself. */
const SWARM_LOOK_MS = 3_000;

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;

/** Opens and closes ports of the host on the machine's address. Both reject with a reason to be logged. */
export interface PortOpener {
  open(port: GuestPort): Promise<void>;
  close(port: GuestPort): Promise<void>;
}

/** A publisher at work. */
export interface PortPublisher {
  /** Cuts short a pause between two tries to reach Docker, because there is reason to believe that it answers now. */
  lookAgain(): void;
  /** Ends it, and leaves the ports to whoever ends the VM. */
  stop(): void;
}

/**
 * Keeps the host's ports as the machine's containers publish them: listens to Docker's events and asks for the list
 * after each. Between events it sleeps, unless the machine is in a Swarm; while Docker doesn't answer (booting, being provisioned, restarted with new
 * certificates) it tries again with growing pauses, or soon after the certificates have changed or it was told to.
 */
export function startPortPublisher(
  endpoint: DockerEndpoint,
  opener: PortOpener,
  log: (line: string) => void,
): PortPublisher {
  const stopping = new AbortController();
  const nudge = new Nudge();
  const watcher = watchFolder(endpoint.certificates, () => nudge.give());
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 2 });
  void publish({ ...endpoint, agent }, new PortSet(opener, log), nudge, stopping.signal);
  return {
    lookAgain: () => nudge.give(),
    stop: () => {
      watcher?.close();
      stopping.abort();
      agent.destroy();
      nudge.give();
    },
  };
}

async function publish(endpoint: DockerEndpoint, ports: PortSet, nudge: Nudge, signal: AbortSignal): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const events = await openDocker(endpoint, EVENTS, signal);
      pauseMs = FIRST_PAUSE_MS;
      await follow(endpoint, events, ports, signal).finally(() => events.destroy());
    } catch {
      // Docker is not there yet or not any more; both are everyday states of a machine.
    }
    if (signal.aborted) return;
    await nudge.wait(FIRST_PAUSE_MS, pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** Until the events end, whoever ends them. */
async function follow(
  endpoint: DockerEndpoint,
  events: IncomingMessage,
  ports: PortSet,
  signal: AbortSignal,
): Promise<void> {
  // One event is one chunk or several; what it says is not needed, only that something changed.
  const chunks = (events as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  const nextEvent = (): Promise<IteratorResult<unknown>> => {
    const event = chunks.next();
    // It may fail while nobody waits for it.
    event.catch(() => undefined);
    return event;
  };
  let swarm: SwarmPorts = { isMember: false, ports: [] };
  for (let event = nextEvent(); ; ) {
    const containers = readPublishedPorts(await getDockerJson(endpoint, CONTAINERS, signal));
    await ports.follow([...containers, ...swarm.ports]);
    // A Swarm without a leader lets its managers wait in vain: what was known of it stays, and containers don't suffer.
    swarm = await lookAtSwarm(endpoint, signal).catch(() => swarm);
    await ports.follow([...containers, ...swarm.ports]);
    const pause = swarm.isMember ? [sleep(SWARM_LOOK_MS, undefined, { ref: false })] : [];
    const happened = await Promise.race([event, ...pause]);
    if (happened?.done === true) return;
    if (happened !== undefined) event = nextEvent();
  }
}

interface SwarmPorts {
  readonly isMember: boolean;
  readonly ports: readonly GuestPort[];
}

async function lookAtSwarm(endpoint: DockerEndpoint, signal: AbortSignal): Promise<SwarmPorts> {
  const ingress = findIngress(await getDockerJson(endpoint, SWARM_NETWORKS, signal));
  if (ingress === undefined) return { isMember: false, ports: [] };
  const network = await getDockerJson(endpoint, `/networks/${ingress}?verbose=true`, signal);
  return { isMember: true, ports: readIngressPorts(network) };
}

/** The ports that are open now. */
class PortSet {
  readonly #open = new Map<string, GuestPort>();
  /** Ports that could not be opened, so that the reason is logged once and not after every event. */
  readonly #refused = new Set<string>();

  constructor(
    private readonly opener: PortOpener,
    private readonly log: (line: string) => void,
  ) {}

  /** Opens and closes until the open ports are the wanted ones. */
  async follow(ports: readonly GuestPort[]): Promise<void> {
    const wanted = new Map(ports.map((port) => [portName(port), port]));
    for (const [name, port] of this.#open) {
      if (wanted.has(name)) continue;
      this.#open.delete(name);
      await this.opener.close(port).catch((error: Error) => this.log(`cannot close port ${name}: ${error.message}`));
    }
    for (const name of this.#refused) if (!wanted.has(name)) this.#refused.delete(name);
    for (const [name, port] of wanted) {
      if (this.#open.has(name) || this.#refused.has(name)) continue;
      try {
        await this.opener.open(port);
        this.#open.set(name, port);
      } catch (error) {
        this.#refused.add(name);
        this.log(`cannot publish port ${name}: ${(error as Error).message}`);
      }
    }
  }
}

/** A pause that can be cut short, though not below its shortest: the nudges come from strangers, too. */
class Nudge {
  #wake: (() => void) | undefined;

  give(): void {
    this.#wake?.();
  }

  wait(shortestMs: number, longestMs: number): Promise<void> {
    return new Promise((resolve) => {
      const begun = performance.now();
      const done = (): void => {
        this.#wake = undefined;
        resolve();
      };
      let timer = setTimeout(done, longestMs);
      this.#wake = () => {
        clearTimeout(timer);
        timer = setTimeout(done, Math.max(0, begun + shortestMs - performance.now()));
      };
    });
  }
}

function watchFolder(folder: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (name?.endsWith('.pem') === true) changed();
    });
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined; // No watches left on this host: the growing pauses do.
  }
}
