import type { FileReading } from '../../storage/small-file';
import type { DatagramService, StreamService } from '../flow';
import { WatchedFile } from '../watched-file';
import { AddressBook } from './address-book';
import { AnswerCache } from './answer-cache';
import { parseHosts } from './hosts-file';
import { toWireName } from './names';
import { NO_RESOLVER, parseDnsFile, parseResolvConf, type ResolverConfig } from './resolver-config';
import { type LocalSource, Responder } from './responder';
import { StreamConnections } from './stream-connections';
import { Upstream } from './upstream';
import { type DnsZone, Zones } from './zones';

const MAX_HOSTS_BYTES = 16 * 1024 * 1024;
const MAX_CONFIG_BYTES = 64 * 1024;
const MAX_DATAGRAM_BYTES = 4096;
const STREAM_IDLE_MS = 30_000;

export interface DnsOptions {
  /** Names of our own (`host.docker.internal`) and their addresses. No other source can change them. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** Names that mean whoever asks. */
  readonly askerNames?: readonly string[] | undefined;
  /** Watched; `/etc/hosts` if not given. */
  readonly hostsFile?: string | undefined;
  /** Watched; `/etc/resolv.conf` if not given. */
  readonly resolvConf?: string | undefined;
  /** VPNKit's `--dns` file, watched. While it is good, `resolvConf` does not count. */
  readonly configFile?: string | undefined;
  /** The longest UDP payload for a guest, 4096 if not given; less where the guest's network can carry no fragments. */
  readonly maxDatagramBytes?: number | undefined;
  readonly log: (line: string) => void;
  /** Milliseconds, never going back; `performance.now` if not given. */
  readonly now?: (() => number) | undefined;
}

/** The network's DNS server. */
export interface DnsServer {
  readonly stream: StreamService;
  readonly datagram: DatagramService;
  /** The search domains of the configuration in force. */
  readonly searchDomains: readonly string[];
  /** The listener is told the new search domains whenever they change. */
  onSearchDomains(listener: (domains: readonly string[]) => void): void;
  /**
   * Adds a zone, or its records before those of the zone of that name, whose default address it replaces.
   * @throws EngineError HK_NET_CONFIG_INVALID when something in it is wrong or too much.
   */
  addZone(zone: DnsZone): void;
  /** In the order in which they came. */
  zones(): readonly DnsZone[];
  /** Closes guests' connections, questions under way and watches. Nothing is answered any more. Idempotent. */
  close(): Promise<void>;
}

/**
 * Creates the DNS server of a network. It answers own names, zones and the hosts file itself and asks the host's name
 * servers for the rest. Files that are missing or wrong are logged and taken up when they become good; until then what
 * was last good in them stays in force.
 */
export function createDnsServer(options: DnsOptions): DnsServer {
  return new FileBackedDnsServer(options);
}

class FileBackedDnsServer implements DnsServer {
  readonly #log: (line: string) => void;
  readonly #files: readonly WatchedFile[];
  readonly #zones = new Zones();
  readonly #upstream: Upstream;
  readonly #responder: Responder;
  readonly #connections: StreamConnections;
  readonly #listeners: ((domains: readonly string[]) => void)[] = [];
  #hosts = new AddressBook([]);
  #fromResolvConf: ResolverConfig | undefined;
  #fromConfigFile: ResolverConfig | undefined;
  #config = NO_RESOLVER;
  #isClosed = false;

  constructor(options: DnsOptions) {
    const { log, now = () => performance.now() } = options;
    this.#log = log;
    const own = new AddressBook(flatten(options.names));
    const { askerNames = [] } = options;
    const hasAskerNames = new Set(askerNames.map(toWireName));
    const findAsker: LocalSource = (query, asker) =>
      hasAskerNames.has(query.name) ? new AddressBook(askerNames.map((name) => [name, asker])).find(query) : undefined;
    this.#upstream = new Upstream({ now, log });
    this.#responder = new Responder({
      local: [
        (query) => own.find(query),
        findAsker,
        (query) => this.#zones.find(query),
        (query) => this.#hosts.find(query),
      ],
      cache: new AnswerCache(now),
      upstream: this.#upstream,
      maxDatagramBytes: options.maxDatagramBytes ?? MAX_DATAGRAM_BYTES,
    });
    this.#connections = new StreamConnections(this.#responder, { idleMs: STREAM_IDLE_MS });
    this.#files = this.#watchFiles(options);
  }

  get stream(): StreamService {
    return this.#connections.service;
  }

  readonly datagram: DatagramService = (payload, { source }, reply) => {
    if (this.#isClosed) return;
    this.#responder.respond(payload, 'udp', source.address, (message) => {
      if (message && !this.#isClosed) reply(message);
    });
  };

  get searchDomains(): readonly string[] {
    return this.#config.searchDomains;
  }

  onSearchDomains(listener: (domains: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  addZone(zone: DnsZone): void {
    this.#zones.add(zone);
  }

  zones(): readonly DnsZone[] {
    return this.#zones.list();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const file of this.#files) file.close();
    this.#connections.close();
    this.#upstream.close();
    return Promise.resolve();
  }

  #watchFiles({ hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf', configFile }: DnsOptions): WatchedFile[] {
    const files = [
      this.#watch(hostsFile, MAX_HOSTS_BYTES, (text) => {
        this.#hosts = new AddressBook(parseHosts(text));
      }),
    ];
    if (configFile !== undefined) {
      files.push(
        this.#watch(configFile, MAX_CONFIG_BYTES, (text) => {
          this.#fromConfigFile = parseDnsFile(text);
          this.#configure();
        }),
      );
    }
    files.push(
      this.#watch(resolvConf, MAX_CONFIG_BYTES, (text) => {
        this.#fromResolvConf = parseResolvConf(text);
        this.#configure();
      }),
    );
    return files;
  }

  #watch(file: string, maxBytes: number, use: (text: string) => void): WatchedFile {
    const log = (line: string): void => this.#log(`dns: ${line}`);
    let lastProblem: string | undefined;
    const onReading = (reading: FileReading): void => {
      const problem = 'problem' in reading ? reading.problem : tryUse(use, reading.text);
      if (problem !== undefined && problem !== lastProblem) log(`cannot use ${file}: ${problem}`);
      lastProblem = problem;
    };
    return new WatchedFile(file, { maxBytes, onReading, log });
  }

  #configure(): void {
    const config = this.#fromConfigFile ?? this.#fromResolvConf ?? NO_RESOLVER;
    const previous = this.#config;
    if (JSON.stringify(config) === JSON.stringify(previous)) return;
    this.#config = config;
    this.#upstream.configure(config);
    this.#responder.forget();
    if (config.searchDomains.join() === previous.searchDomains.join()) return;
    for (const listener of this.#listeners) listener(config.searchDomains);
  }
}

/** What is wrong with the text, undefined when it could be used. */
function tryUse(use: (text: string) => void, text: string): string | undefined {
  try {
    use(text);
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

function* flatten(names: ReadonlyMap<string, readonly string[]>): Generator<readonly [string, string]> {
  for (const [name, addresses] of names) for (const address of addresses) yield [name, address];
}
