import { suffixOffsets } from './names';
import type { NameServer, ResolverConfig } from './resolver-config';

/** How long a server that is taken as offline is left alone before it is tried again. */
export const TRY_AGAIN_MS = 10_000;

export interface ServerPoolOptions {
  /** Milliseconds, never going back. */
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** Servers to ask: the groups one after the other, in each all at once. */
export interface Selection {
  readonly groups: readonly (readonly NameServer[])[];
  /** Taken as offline and due for a look whether that is still so; nobody should wait for them. */
  readonly probes: readonly NameServer[];
}

interface Health {
  unanswered: number;
  triedMs: number;
}

/** The servers of one configuration, and which of them answer. */
export class ServerPool {
  readonly #config: ResolverConfig;
  readonly #options: ServerPoolOptions;
  readonly #byZone = new Map<string, NameServer[]>();
  readonly #general: readonly NameServer[];
  readonly #health = new Map<NameServer, Health>();
  #hasComplained = false;

  constructor(config: ResolverConfig, options: ServerPoolOptions) {
    this.#config = config;
    this.#options = options;
    for (const server of config.servers) {
      this.#health.set(server, { unanswered: 0, triedMs: 0 });
      for (const zone of server.zones) this.#byZone.set(zone, [...(this.#byZone.get(zone) ?? []), server]);
    }
    const unzoned = config.servers.filter(({ zones }) => zones.length === 0);
    this.#general = unzoned.length > 0 ? unzoned : config.servers;
  }

  /**
   * The servers for a name: those of the longest zone that it lies in, else those without a zone, or all when each has
   * one. Offline ones are left out as long as another is there.
   */
  select(name: string): Selection {
    const servers = this.#serversFor(name);
    if (servers.length === 0) this.#complain();
    const online = servers.filter((server) => !this.#isOffline(server));
    if (online.length === 0) return { groups: groupByOrder(servers), probes: [] };
    const now = this.#options.now();
    const probes = servers.filter((server) => this.#isOffline(server) && this.#isDue(server, now));
    return { groups: groupByOrder(online), probes };
  }

  answered(server: NameServer): void {
    const health = this.#health.get(server);
    if (!health) return;
    if (this.#isOffline(server)) this.#options.log(`dns: ${describe(server)} answers again`);
    health.unanswered = 0;
  }

  unanswered(server: NameServer, reason: string): void {
    const health = this.#health.get(server);
    if (!health) return;
    const wasOffline = this.#isOffline(server);
    health.unanswered++;
    health.triedMs = this.#options.now();
    if (wasOffline || !this.#isOffline(server)) return;
    this.#options.log(`dns: ${describe(server)} is taken as offline: ${reason}, ${health.unanswered} times in a row`);
  }

  #complain(): void {
    if (!this.#hasComplained)
      this.#options.log('dns: there is no name server to ask; only names of our own can be answered');
    this.#hasComplained = true;
  }

  #serversFor(name: string): readonly NameServer[] {
    if (this.#byZone.size > 0) {
      for (const at of suffixOffsets(name)) {
        const servers = this.#byZone.get(name.slice(at));
        if (servers) return servers;
      }
    }
    return this.#general;
  }

  #isOffline(server: NameServer): boolean {
    return (this.#health.get(server)?.unanswered ?? 0) >= this.#config.assumeOfflineAfter;
  }

  /** Also notes that the server is tried now. */
  #isDue(server: NameServer, now: number): boolean {
    const health = this.#health.get(server);
    if (!health || now - health.triedMs < TRY_AGAIN_MS) return false;
    health.triedMs = now;
    return true;
  }
}

function groupByOrder(servers: readonly NameServer[]): NameServer[][] {
  const groups = new Map<number, NameServer[]>();
  for (const server of servers) groups.set(server.order, [...(groups.get(server.order) ?? []), server]);
  return [...groups].sort(([left], [right]) => left - right).map(([, group]) => group);
}

function describe({ address, port }: NameServer): string {
  return `${address}#${port}`;
}
