import { type FSWatcher, watch } from 'node:fs';
import type { GuestPort } from '../spec/vm-spec';
import { type DockerEndpoint, getDockerJson, openDocker } from './docker-api';
import { portName, readPublishedPorts } from './published-ports';

const EVENTS = `/events?filters=${encodeURIComponent('{"type":["container"],"event":["start","die","restart","unpause"]}')}`;
const CONTAINERS = '/containers/json';

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
 * after each. Between events it sleeps; while Docker doesn't answer (booting, being provisioned, restarted with new
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
  void publish(endpoint, new PortSet(opener, log), nudge, stopping.signal);
  return {
    lookAgain: () => nudge.give(),
    stop: () => {
      watcher?.close();
      stopping.abort();
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
      await ports.follow(async () => readPublishedPorts(await getDockerJson(endpoint, CONTAINERS, signal)));
      // One event is one chunk or several; what it says is not needed, only that something changed.
      for await (const _event of events) {
        await ports.follow(async () => readPublishedPorts(await getDockerJson(endpoint, CONTAINERS, signal)));
      }
    } catch {
      // Docker is not there yet or not any more; both are everyday states of a machine.
    }
    if (signal.aborted) return;
    await nudge.wait(FIRST_PAUSE_MS, pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
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
  async follow(ask: () => Promise<readonly GuestPort[]>): Promise<void> {
    const wanted = new Map((await ask()).map((port) => [portName(port), port]));
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
