import type { AddressBook } from '../addressing/address-book';
import { broadcastOf, formatIpv4, netmaskOf, prefixOf } from '../addressing/ipv4';
import { formatMac } from '../addressing/mac';
import { DEFAULT_MTU, type NetworkPlan } from '../addressing/network-plan';
import { encodeRoutes } from './classless-routes';
import { DEFAULT_MESSAGE_BYTES, decodeDhcp } from './codec';
import {
  checkLeaseSeconds,
  chooseDomains,
  DEFAULT_LEASE_SECONDS,
  type DhcpSettings,
  INFINITE_LEASE_SECONDS,
} from './dhcp-settings';
import { normalizeDomain } from './domain-name';
import { fitReply } from './fit-reply';
import {
  BOOTREPLY,
  BOOTREQUEST,
  DHCPACK,
  DHCPDECLINE,
  DHCPDISCOVER,
  DHCPINFORM,
  DHCPNAK,
  DHCPOFFER,
  DHCPREQUEST,
  type DhcpMessage,
  HTYPE_ETHERNET,
  OPTION,
  readU8,
  readU16,
  readU32,
  writeU16,
  writeU32,
} from './message';

const BROADCAST_IP = 0xffff_ffff;
const IP_AND_UDP_HEADER_BYTES = 28;
/** A guest that makes trouble can't fill the log with it. */
const MAX_LOG_LINES = 1000;

/** What to send, from port 67 of the gateway to port 68. */
export interface DhcpAnswer {
  readonly payload: Buffer;
  /** On the Ethernet: to everybody, or to the MAC that asked. */
  readonly destination: 'broadcast' | 'unicast';
  /** What the datagram is addressed to. */
  readonly ip: number;
}

type ReplyType = typeof DHCPOFFER | typeof DHCPACK | typeof DHCPNAK;

/**
 * The DHCP server (RFC 2131) of one network. Each guest gets the address that the book has for its MAC. The server is
 * alone on its link and knows it: a guest that asks for anything else, or for an address it had elsewhere, is refused
 * at once, and starts over, instead of being left waiting.
 */
export class DhcpServer {
  readonly #plan: NetworkPlan;
  readonly #book: AddressBook;
  readonly #settings: DhcpSettings;
  readonly #leaseSeconds: number;
  readonly #hostnames: ReadonlyMap<string, string | undefined>;
  readonly #logged = new Set<string>();
  /** The last list of search domains, and what of it can be sent. */
  #search: { readonly source: readonly string[]; readonly names: readonly string[] } = { source: [], names: [] };

  /** @throws EngineError HK_NET_CONFIG_INVALID */
  constructor(plan: NetworkPlan, book: AddressBook, settings: DhcpSettings = {}) {
    this.#plan = plan;
    this.#book = book;
    this.#settings = settings;
    this.#leaseSeconds = checkLeaseSeconds(settings.leaseSeconds ?? DEFAULT_LEASE_SECONDS);
    this.#hostnames = new Map(plan.guests.map(({ mac, hostname }) => [mac, hostname]));
  }

  /**
   * Answers the payload of a datagram to port 67 that came in a frame from `mac` (6 bytes). Undefined: there is nothing
   * to say. Never throws, whatever the payload.
   */
  answer(payload: Uint8Array, { mac }: { readonly mac: Uint8Array }): DhcpAnswer | undefined {
    const request = decodeDhcp(payload);
    if (typeof request === 'string' || request.op !== BOOTREQUEST || request.htype !== HTYPE_ETHERNET) return undefined;
    // From a relay: this server has one link only.
    if (request.giaddr !== 0) return undefined;
    const server = readU32(request.options, OPTION.serverIdentifier);
    if (server !== undefined && server !== this.#plan.gateway) return undefined;
    switch (readU8(request.options, OPTION.messageType)) {
      case DHCPDISCOVER:
        return this.#offer(request, mac);
      case DHCPREQUEST:
        return this.#confirm(request, mac);
      case DHCPDECLINE:
        return this.#decline(request, mac);
      case DHCPINFORM:
        return this.#reply(request, mac, DHCPACK, 0);
      default:
        // A release (7) needs no doing: the address is kept for the guest until somebody else needs it.
        return undefined;
    }
  }

  #offer(request: DhcpMessage, mac: Uint8Array): DhcpAnswer | undefined {
    const ip = this.#lease(mac, readU32(request.options, OPTION.requestedAddress));
    return ip === undefined ? undefined : this.#reply(request, mac, DHCPOFFER, ip);
  }

  /** RFC 2131 section 4.3.2: a guest that selects or has rebooted asks by option, one that renews by ciaddr. */
  #confirm(request: DhcpMessage, mac: Uint8Array): DhcpAnswer | undefined {
    const wanted = request.ciaddr === 0 ? readU32(request.options, OPTION.requestedAddress) : request.ciaddr;
    if (wanted === undefined) return undefined;
    const ip = this.#lease(mac, wanted);
    if (ip !== wanted) return this.#reply(request, mac, DHCPNAK, 0);
    this.#log(`${formatMac(mac)} has ${formatIpv4(ip)}`);
    return this.#reply(request, mac, DHCPACK, ip);
  }

  #decline(request: DhcpMessage, mac: Uint8Array): undefined {
    const ip = readU32(request.options, OPTION.requestedAddress);
    if (ip === undefined || this.#book.ipOf(mac) !== ip) return;
    const hasMoved = this.#book.decline(mac, ip);
    this.#log(
      `${formatMac(mac)} says that ${formatIpv4(ip)} is used by somebody else` +
        (hasMoved ? ' and gets another address' : '; it has no other'),
    );
  }

  #lease(mac: Uint8Array, wanted: number | undefined): number | undefined {
    const ip = this.#book.lease(mac, wanted);
    if (typeof ip === 'number') return ip;
    this.#log(`${formatMac(mac)} gets no address: ${ip.text}`);
    return undefined;
  }

  /** `ip` is 0 where none is given: refusals, and answers to DHCPINFORM. */
  #reply(request: DhcpMessage, mac: Uint8Array, type: ReplyType, ip: number): DhcpAnswer | undefined {
    const isRefusal = type === DHCPNAK;
    const requested = [...(request.options.get(OPTION.parameterRequestList) ?? [])];
    const isWanted = (code: number): boolean =>
      requested.length === 0 ||
      requested.includes(code) ||
      (code === OPTION.interfaceMtu && this.#plan.mtu !== DEFAULT_MTU);
    const payload = fitReply(
      {
        head: {
          op: BOOTREPLY,
          htype: HTYPE_ETHERNET,
          hops: 0,
          xid: request.xid,
          secs: 0,
          broadcast: request.broadcast,
          ciaddr: type === DHCPACK ? request.ciaddr : 0,
          yiaddr: ip,
          siaddr: isRefusal ? 0 : this.#plan.gateway,
          giaddr: 0,
          chaddr: request.chaddr,
          sname: '',
          file: '',
        },
        essential: this.#essential(request, type, ip),
        parameters: new Map(isRefusal ? [] : [...this.#parameters(mac)].filter(([code]) => isWanted(code))),
        searchDomains: isRefusal || !isWanted(OPTION.domainSearch) ? [] : this.#searchDomains(),
        order: requested,
      },
      this.#maxBytes(request),
    );
    // RFC 2131 section 4.1; a refusal always goes to everybody, its guest has no address that would be valid.
    const target = isRefusal ? 0 : request.ciaddr || (request.broadcast ? 0 : ip);
    return (
      payload && {
        payload,
        destination: target === 0 ? 'broadcast' : 'unicast',
        ip: target === 0 ? BROADCAST_IP : target,
      }
    );
  }

  #essential(request: DhcpMessage, type: ReplyType, ip: number): Map<number, Uint8Array> {
    const options = new Map<number, Uint8Array>([
      [OPTION.messageType, Uint8Array.of(type)],
      [OPTION.serverIdentifier, writeU32(this.#plan.gateway)],
    ]);
    if (ip !== 0) {
      options.set(OPTION.leaseTime, writeU32(this.#leaseSeconds));
      if (this.#leaseSeconds !== INFINITE_LEASE_SECONDS) {
        // The defaults of RFC 2131 section 4.4.5.
        options.set(OPTION.renewalTime, writeU32(Math.floor(this.#leaseSeconds / 2)));
        options.set(OPTION.rebindingTime, writeU32(Math.floor((this.#leaseSeconds * 7) / 8)));
      }
    }
    if (type !== DHCPNAK) options.set(OPTION.subnetMask, writeU32(netmaskOf(this.#plan.prefix.bits)));
    const clientId = request.options.get(OPTION.clientIdentifier);
    // RFC 6842: guests that share a MAC tell answers apart by it.
    if (clientId !== undefined) options.set(OPTION.clientIdentifier, clientId);
    return options;
  }

  #parameters(mac: Uint8Array): Map<number, Uint8Array> {
    const { gateway, prefix, mtu } = this.#plan;
    const { dnsServers = [gateway], ntpServers = [gateway], routes = [] } = this.#settings;
    const domainName = normalizeDomain(this.#domains().domainName);
    const hostname = this.#hostnames.get(formatMac(mac));
    const parameters = new Map<number, Uint8Array>([[OPTION.router, writeU32(gateway)]]);
    if (dnsServers.length > 0) parameters.set(OPTION.domainNameServer, writeU32(...dnsServers));
    if (hostname !== undefined) parameters.set(OPTION.hostName, Buffer.from(hostname));
    if (domainName !== undefined) parameters.set(OPTION.domainName, Buffer.from(domainName));
    parameters.set(OPTION.interfaceMtu, writeU16(mtu));
    parameters.set(OPTION.broadcastAddress, writeU32(broadcastOf(prefix)));
    if (ntpServers.length > 0) parameters.set(OPTION.ntpServers, writeU32(...ntpServers));
    if (routes.length > 0) {
      // RFC 3442: who gets these ignores the router option, so the default route is one of them.
      const defaultRoute = { destination: prefixOf(0, 0), via: gateway };
      parameters.set(OPTION.classlessStaticRoutes, encodeRoutes([...routes, defaultRoute]));
    }
    return parameters;
  }

  #searchDomains(): readonly string[] {
    const { searchDomains } = this.#domains();
    if (this.#search.source !== searchDomains) {
      const names = new Set(searchDomains.map(normalizeDomain));
      this.#search = { source: searchDomains, names: [...names].filter((name) => name !== undefined) };
    }
    return this.#search.names;
  }

  #domains() {
    return this.#settings.domains?.() ?? chooseDomains({});
  }

  /** RFC 2132 section 9.10: a guest may take more than 576 bytes, headers included, but the link may not. */
  #maxBytes(request: DhcpMessage): number {
    const accepted = readU16(request.options, OPTION.maximumMessageSize) ?? 0;
    return Math.max(DEFAULT_MESSAGE_BYTES, Math.min(accepted, this.#plan.mtu) - IP_AND_UDP_HEADER_BYTES);
  }

  #log(line: string): void {
    if (this.#logged.size >= MAX_LOG_LINES || this.#logged.has(line)) return;
    this.#logged.add(line);
    this.#settings.log?.(`dhcp: ${line}`);
  }
}
