import { isIPv4, isIPv6 } from 'node:net';
import { EngineError } from '../../errors';
import { toWireName } from './names';

/** A server that questions are forwarded to. */
export interface NameServer {
  /** IPv4, or IPv6 with an optional scope (`fe80::1%eth0`). */
  readonly address: string;
  readonly port: number;
  /** The zones whose names are for this server and others of the same zone only, folded; empty: all other names. */
  readonly zones: readonly string[];
  /** How long it is waited for. */
  readonly timeoutMs: number;
  /** Servers of a lower order are asked first, those of the same order at once. */
  readonly order: number;
}

/** What is asked where. */
export interface ResolverConfig {
  readonly servers: readonly NameServer[];
  readonly searchDomains: readonly string[];
  /** A server that did not answer this many questions in a row is not waited for. */
  readonly assumeOfflineAfter: number;
}

const DNS_PORT = 53;
const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_OFFLINE_AFTER = 5;
const MAX_TIMEOUT_MS = 60_000;
const MAX_SERVERS = 16;
/** Of a resolv.conf (MAXNS). All are asked at once, and each costs a socket. */
const MAX_RESOLV_CONF_SERVERS = 3;
const MAX_ZONES = 1024;
const MAX_SEARCH_DOMAINS = 64;

/** Nothing to ask, nothing to search. */
export const NO_RESOLVER: ResolverConfig = {
  servers: [],
  searchDomains: [],
  assumeOfflineAfter: DEFAULT_OFFLINE_AFTER,
};

/**
 * Reads resolv.conf(5): `nameserver`, `search`, `domain`. As the C library does, whatever else stands there is passed
 * over; so are name servers that are no addresses, as long as there is one that is, and those behind the third.
 * @throws EngineError HK_NET_CONFIG_INVALID when none of the file's name servers is an address.
 */
export function parseResolvConf(text: string): ResolverConfig {
  const servers: NameServer[] = [];
  let searchDomains: readonly string[] = [];
  let problem: EngineError | undefined;
  for (const { keyword, values, number } of readLines(text)) {
    if (keyword === 'nameserver') {
      const place = parsePlace(values[0] ?? '');
      if (place) servers.push({ ...place, zones: [], timeoutMs: DEFAULT_TIMEOUT_MS, order: 0 });
      else problem ??= invalid(number, `nameserver ${values.join(' ')} is not an IP address`);
    } else if (keyword === 'search' || keyword === 'domain') {
      searchDomains = values.filter((name) => toWireName(name) !== undefined);
    }
  }
  if (problem && servers.length === 0) throw problem;
  return {
    servers: servers.slice(0, MAX_RESOLV_CONF_SERVERS),
    searchDomains: searchDomains.slice(0, MAX_SEARCH_DOMAINS),
    assumeOfflineAfter: DEFAULT_OFFLINE_AFTER,
  };
}

/**
 * Reads the file of VPNKit's `--dns` option:
 *
 *     nameserver 10.0.0.1#5353     IPv4 or IPv6 address, port
 *     zone corp.example vpn        these lines belong to the name server above them
 *     timeout 2000                 milliseconds
 *     order 1
 *     search corp.example          these stand anywhere
 *     assume-offline-after 3       questions
 *
 * @throws EngineError HK_NET_CONFIG_INVALID which names the line.
 */
export function parseDnsFile(text: string): ResolverConfig {
  const servers: NameServer[] = [];
  const searchDomains: string[] = [];
  let assumeOfflineAfter = DEFAULT_OFFLINE_AFTER;
  let zoneCount = 0;

  for (const { keyword, values, number } of readLines(text)) {
    const amend = (change: Partial<NameServer>): void => {
      const server = servers.pop();
      if (!server) throw invalid(number, `"${keyword}" must follow the nameserver that it belongs to`);
      servers.push({ ...server, ...change });
    };
    const integer = (min: number, max: number): number => {
      const value = values.length === 1 && /^\d{1,9}$/.test(values[0] ?? '') ? Number(values[0]) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw invalid(number, `"${keyword}" takes one number from ${min} to ${max}`);
    };
    const names = (): string[] =>
      values.map((name) => {
        if (toWireName(name) === undefined) throw invalid(number, `${name} is not a domain name`);
        return name;
      });
    switch (keyword) {
      case 'nameserver': {
        const place = values.length === 1 ? parsePlace(values[0] ?? '') : undefined;
        if (!place) throw invalid(number, '"nameserver" takes one IP address, with #PORT if it is not 53');
        servers.push({ ...place, zones: [], timeoutMs: DEFAULT_TIMEOUT_MS, order: 0 });
        if (servers.length > MAX_SERVERS) throw invalid(number, `more than ${MAX_SERVERS} name servers`);
        break;
      }
      case 'zone': {
        zoneCount += values.length;
        if (zoneCount > MAX_ZONES) throw invalid(number, `more than ${MAX_ZONES} zones`);
        const zones = names().map((name) => toWireName(name) ?? '');
        amend({ zones: [...(servers.at(-1)?.zones ?? []), ...zones] });
        break;
      }
      case 'timeout':
        amend({ timeoutMs: integer(1, MAX_TIMEOUT_MS) });
        break;
      case 'order':
        amend({ order: integer(0, 1_000_000) });
        break;
      case 'search':
        searchDomains.push(...names());
        if (searchDomains.length > MAX_SEARCH_DOMAINS) {
          throw invalid(number, `more than ${MAX_SEARCH_DOMAINS} search domains`);
        }
        break;
      case 'assume-offline-after':
        assumeOfflineAfter = integer(1, 1_000_000);
        break;
      case 'domain':
      case 'options':
      case 'sortlist':
        // A resolv.conf is a good DNS file, too.
        break;
      default:
        throw invalid(number, `"${keyword}" is not known here`);
    }
  }
  return { servers, searchDomains, assumeOfflineAfter };
}

interface Line {
  readonly number: number;
  readonly keyword: string;
  readonly values: readonly string[];
}

function* readLines(text: string): Generator<Line> {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  for (const [index, line] of lines.entries()) {
    // "#" inside of a word is a port.
    const words = line.replace(/(^|\s)[#;].*/, '').trim();
    if (words === '') continue;
    const [keyword = '', ...values] = words.split(/\s+/);
    yield { number: index + 1, keyword: keyword.toLowerCase(), values };
  }
}

/** `IP`, `IP#PORT` or `[IP]:PORT`. */
function parsePlace(text: string): { address: string; port: number } | undefined {
  const parts = /^\[([^\]]+)\]:(\d{1,5})$/.exec(text) ?? /^([^#]+)(?:#(\d{1,5}))?$/.exec(text);
  const address = parts?.[1] ?? '';
  const port = Number(parts?.[2] ?? DNS_PORT);
  if (port < 1 || port > 65_535 || !(isIPv4(address) || isIPv6(address))) return undefined;
  return { address, port };
}

function invalid(line: number, reason: string): EngineError {
  return new EngineError('HK_NET_CONFIG_INVALID', `line ${line}: ${reason}`);
}
