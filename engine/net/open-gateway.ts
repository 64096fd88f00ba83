import { sockets } from '../../native/sockets';
import { AddressBook } from './addressing/address-book';
import { AddressBookFile } from './addressing/address-book-file';
import { formatIpv4 } from './addressing/ipv4';
import { macFromNumber, macToNumber, parseMac } from './addressing/mac';
import type { NetworkSettings } from './addressing/network-plan';
import { planNetwork } from './addressing/plan-network';
import { DhcpServer } from './dhcp/dhcp-server';
import { chooseDomains } from './dhcp/dhcp-settings';
import { DhcpOptionsFile } from './dhcp/options-file';
import { createDnsServer, type DnsServer } from './dns/dns-server';
import { HostForwarder } from './forwards/host-forwarder';
import type { HostAccess } from './gateway/host-policy';
import type { InnerServices } from './gateway/inner-services';
import type { FrameReceiver, Link } from './link/link';
import { createStreamLink, QEMU_FRAMING } from './link/stream-link';
import { Network, type NetworkOptions } from './network';
import { formatAddress, fromBytes, ipv4, parseAddress } from './wire/ip-address';

const DNS_PORT = 53;

/** What guests are told unless somebody says otherwise: Docker Desktop's names and VPNKit's own. */
const HOST_NAMES = ['host.docker.internal', 'host.internal'];
const GATEWAY_NAMES = ['gateway.docker.internal', 'gateway.internal'];

export interface GatewaySettings {
  readonly network: NetworkSettings;
  readonly hostAccess: HostAccess;
  readonly log: (line: string) => void;
  /** Names of the host, as long as it has an alias. */
  readonly hostNames?: readonly string[];
  readonly gatewayNames?: readonly string[];
  /** Names by which each guest finds itself; none unless given. */
  readonly guestNames?: readonly string[];
  /** Watched; `/etc/hosts` if not given. */
  readonly hostsFile?: string | undefined;
  /** VPNKit's `--dns` file, watched. */
  readonly dnsFile?: string | undefined;
  /** The guests' domain; by the DHCP file if not given. */
  readonly domain?: string | undefined;
  /** VPNKit's `--dhcp-path` file, watched. */
  readonly dhcpFile?: string | undefined;
  /** Where guests find their cards and addresses again after a restart; they are forgotten if not given. */
  readonly addressFile?: string | undefined;
  /** Connections that may wait to be accepted, per forward. */
  readonly listenBacklog?: number | undefined;
  /** What the network is told besides. */
  readonly options?: Pick<
    NetworkOptions,
    'udpIdleMs' | 'maxConnections' | 'masquerade' | 'gatewayPort' | 'intercept' | 'taps'
  >;
}

/** A network with all that guests expect of it: addresses by DHCP, names by DNS, the host's network, ports of the host. */
export interface OpenGateway {
  readonly network: Network;
  readonly services: InnerServices;
  readonly dns: DnsServer;
  readonly book: AddressBook;
  readonly forwarder: HostForwarder;
  /**
   * Attaches the link that `open` makes to a guest with this MAC, which will have this address; undefined: one that the
   * network chooses.
   */
  plug(mac: string, ip: string | undefined, open: (receive: FrameReceiver) => Link): Link;
  /** A socket whose other end is on the network, for a QEMU whose guest has this MAC and will have this address. */
  plugQemu(mac: string, ip: string, mtu: number): { readonly fd: number; readonly mtu: number; release(): void };
  close(): Promise<void>;
}

/** @throws EngineError HK_NET_CONFIG_INVALID */
export function openGateway(settings: GatewaySettings): OpenGateway {
  const { hostAccess, log, hostNames = HOST_NAMES, gatewayNames = GATEWAY_NAMES } = settings;
  const plan = planNetwork(settings.network);
  const addresses =
    settings.addressFile === undefined ? undefined : AddressBookFile.open(settings.addressFile, plan, log);
  const book = addresses?.book ?? new AddressBook(plan);
  const gatewayAddresses = [formatIpv4(plan.gateway)];
  if (plan.ipv6 !== undefined) gatewayAddresses.push(formatAddress(fromBytes(plan.ipv6.gateway)));
  const aliasAddresses: string[] = [];
  if (plan.hostAlias !== undefined) aliasAddresses.push(formatIpv4(plan.hostAlias));
  if (plan.ipv6?.hostAlias !== undefined) aliasAddresses.push(formatAddress(fromBytes(plan.ipv6.hostAlias)));
  const dns = createDnsServer({
    names: new Map([
      ...gatewayNames.map((name) => [name, gatewayAddresses] as const),
      ...hostNames.map((name) => [name, aliasAddresses] as const),
    ]),
    askerNames: settings.guestNames,
    hostsFile: settings.hostsFile,
    configFile: settings.dnsFile,
    log,
  });
  const dhcpFile = settings.dhcpFile === undefined ? undefined : new DhcpOptionsFile(settings.dhcpFile, log);
  const dhcp = new DhcpServer(plan, book, {
    // Nothing answers NTP here; a guest that is told so would only ask.
    ntpServers: [],
    domains: () =>
      chooseDomains({ commandLine: settings.domain, file: dhcpFile?.current, dnsSearch: dns.searchDomains }),
    log,
  });
  const services: InnerServices = {
    streams: new Map([[DNS_PORT, dns.stream]]),
    datagrams: new Map([[DNS_PORT, dns.datagram]]),
  };
  const network = new Network({
    ...settings.options,
    plan,
    services,
    hostAccess,
    log,
    ipv6Uplink: plan.ipv6 !== undefined,
    dhcp: (message, mac) => dhcp.answer(message, { mac: macFromNumber(mac) }),
  });
  const forwarder = new HostForwarder(network, settings.listenBacklog);
  const plug: OpenGateway['plug'] = (mac, ip, open) => {
    const address = parseMac(mac) as Uint8Array;
    const link = network.attach(open);
    const admission = book.attach(address);
    if (admission.admitted) link.onClose(() => admission.leave());
    const expected = ip === undefined ? (admission.admitted ? ipv4(admission.ip) : undefined) : parseAddress(ip);
    if (expected !== undefined) network.gateway.neighbours.expect(expected, macToNumber(address), link);
    return link;
  };
  return {
    network,
    services,
    dns,
    book,
    forwarder,
    plug,
    plugQemu: (mac, ip, mtu) => {
      const [ours, theirs] = sockets.pair();
      plug(mac, ip, (receive) =>
        createStreamLink(network.reactor, ours, { name: `qemu ${mac}`, framing: QEMU_FRAMING, mtu }, receive),
      );
      return { fd: theirs, mtu, release: () => sockets.close(theirs) };
    },
    close: async () => {
      await forwarder.close();
      network.close();
      await addresses?.close();
      dhcpFile?.close();
      await dns.close();
    },
  };
}
