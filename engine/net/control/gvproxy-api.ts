import { EngineError } from '../../errors';
import { sameHostSide } from '../forwards/forwarder';
import { type Answer, type Handler, json, nothing, type Routes, text } from './answer';
import { type DnsZone, formatZone, parseZone } from './dns-zone';
import type { ForwardTable, ListedForward } from './forward-table';
import {
  formatForward,
  type GvproxyProtocol,
  parseForward,
  parseLocal,
  parseProtocol,
  parseRemote,
} from './gvproxy-forward';
import { BodyError } from './json-body';

/** What of a network gvproxy's API shows and changes besides forwards. What is absent answers 501. */
export interface GvproxyNetwork {
  /** Hardware addresses by IP address. */
  readonly leases?: () => Readonly<Record<string, string>>;
  readonly dns?: {
    list(): readonly DnsZone[];
    /** A zone that exists gets the new records in front of its own, where they win, and the new default address. */
    add(zone: DnsZone): void;
  };
  /** Counters, as JSON. */
  readonly stats?: () => unknown;
  /** Ports of the switch by hardware address. */
  readonly cam?: () => Readonly<Record<string, string>>;
}

/** gvproxy's HTTP interface without the two requests that become raw streams (takeover.ts). */
export function gvproxyRoutes(table: ForwardTable, network: GvproxyNetwork): Routes {
  const leases = shown('DHCP leases', network.leases);
  const { dns } = network;
  return new Map<string, Handler>([
    ['/services/forwarder/all', () => json(200, table.list().map(formatForward).sort(byLocal))],
    ['/services/forwarder/expose', post((request) => expose(table, request.body, request.peer))],
    ['/services/forwarder/unexpose', post((request) => unexpose(table, request.body))],
    ['/services/dhcp/leases', leases],
    ['/leases', leases],
    ['/services/dns/all', shown('DNS zones', dns && (() => dns.list().map(formatZone)))],
    [
      '/services/dns/add',
      dns
        ? post(({ body }) => {
            dns.add(parseZone(body));
            return nothing();
          })
        : absent('DNS zones'),
    ],
    ['/stats', shown('counters', network.stats)],
    ['/cam', shown('table of hardware addresses', network.cam)],
  ]);
}

/** The answer of Go's ServeMux to what it has no handler for. */
export function gvproxyNotFound(): Answer {
  return text(404, '404 page not found');
}

async function expose(table: ForwardTable, body: string, peer: string | undefined): Promise<Answer> {
  const { local, remote, protocol: name } = parseForward(body);
  return await orWords(async () => {
    const protocol = parseProtocol(name);
    const host = parseLocal(protocol, local);
    const spec = { protocol: transport(protocol), host, guest: parseRemote(protocol, remote, peer) };
    // With port 0 the text of the request says less than the forward itself.
    const label = 'port' in host && host.port !== 0 ? { local } : {};
    const opened = await table.open(spec, label, (listed) => isAt(listed, protocol, host));
    return opened ? nothing() : text(500, 'proxy already running');
  });
}

async function unexpose(table: ForwardTable, body: string): Promise<Answer> {
  const { local, protocol: name } = parseForward(body);
  return await orWords(async () => {
    const protocol = parseProtocol(name);
    const host = parseLocal(protocol, local);
    const closed = await table.close(host, (listed) => isAt(listed, protocol, host));
    return closed ? nothing() : text(500, 'proxy not found');
  });
}

function isAt({ spec }: ListedForward, protocol: GvproxyProtocol, host: ReturnType<typeof parseLocal>): boolean {
  return spec.protocol === transport(protocol) && sameHostSide(spec.host, host);
}

function transport(protocol: GvproxyProtocol): 'tcp' | 'udp' {
  return protocol === 'udp' ? 'udp' : 'tcp';
}

function byLocal(a: { local: string; protocol: string }, b: { local: string; protocol: string }): number {
  if (a.local !== b.local) return a.local < b.local ? -1 : 1;
  return a.protocol < b.protocol ? -1 : 1;
}

/** What can't be done is answered with the reason. */
async function orWords(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BodyError || error instanceof EngineError) return text(500, error.message);
    throw error;
  }
}

function post(handler: Handler): Handler {
  return async (request) => {
    if (request.method !== 'POST') return text(400, 'post only');
    try {
      return await handler(request);
    } catch (error) {
      if (error instanceof BodyError) return text(400, error.message);
      throw error;
    }
  };
}

function shown(what: string, read: (() => unknown) | undefined): Handler {
  return read ? () => json(200, read()) : absent(what);
}

function absent(what: string): Handler {
  return () => text(501, `this network has no ${what} to show`);
}
