import { sockets } from '../../native/sockets';
import { AddressBook } from './addressing/address-book';
import { formatIpv4 } from './addressing/ipv4';
import { macFromNumber } from './addressing/mac';
import type { NetworkSettings } from './addressing/network-plan';
import { planNetwork } from './addressing/plan-network';
import { DhcpServer } from './dhcp/dhcp-server';
import { chooseDomains } from './dhcp/dhcp-settings';
import { createDnsServer, type DnsServer } from './dns/dns-server';
import { HostForwarder } from './forwards/host-forwarder';
import type { HostAccess } from './gateway/host-policy';
import type { InnerServices } from './gateway/inner-services';
import { createStreamLink, QEMU_FRAMING } from './link/stream-link';
import { Network } from './network';
import { parseMac } from './wire/ethernet';
import { formatAddress, fromBytes, type IpAddress, parseAddress } from './wire/ip-address';

const DNS_PORT = 53;

export interface GatewaySettings {
  readonly network: NetworkSettings;
  readonly hostAccess: HostAccess;
  readonly log: (line: string) => void;
}

/** A network with all that guests expect of it: addresses by DHCP, names by DNS, the host's network, ports of the host. */
export interface OpenGateway {
  readonly network: Network;
  readonly services: InnerServices;
  readonly dns: DnsServer;
  readonly book: AddressBook;
  readonly forwarder: HostForwarder;
  /** A socket whose other end is on the network, for a QEMU whose guest has this MAC and will have this address. */
  plugQemu(mac: string, ip: string, mtu: number): { readonly fd: number; readonly mtu: number; release(): void };
  close(): Promise<void>;
}

/** @throws EngineError HK_NET_CONFIG_INVALID */
export function openGateway({ network: settings, hostAccess, log }: GatewaySettings): OpenGateway {
  const plan = planNetwork(settings);
  const book = new AddressBook(plan);
  const gatewayAddresses = [formatIpv4(plan.gateway)];
  if (plan.ipv6 !== undefined) gatewayAddresses.push(formatAddress(fromBytes(plan.ipv6.gateway)));
  const aliasAddresses: string[] = [];
  if (plan.hostAlias !== undefined) aliasAddresses.push(formatIpv4(plan.hostAlias));
  if (plan.ipv6?.hostAlias !== undefined) aliasAddresses.push(formatAddress(fromBytes(plan.ipv6.hostAlias)));
  const dns = createDnsServer({
    names: new Map([
      ['gateway.docker.internal', gatewayAddresses],
      ['gateway.internal', gatewayAddresses],
      ...(aliasAddresses.length === 0
        ? []
        : ([
            ['host.docker.internal', aliasAddresses],
            ['host.internal', aliasAddresses],
          ] as const)),
    ]),
    log,
  });
  const dhcp = new DhcpServer(plan, book, {
    // Nothing answers NTP here; a guest that is told so would only ask.
    ntpServers: [],
    domains: () => chooseDomains({ dnsSearch: dns.searchDomains }),
    log,
  });
  const services: InnerServices = {
    streams: new Map([[DNS_PORT, dns.stream]]),
    datagrams: new Map([[DNS_PORT, dns.datagram]]),
  };
  const network = new Network({
    plan,
    services,
    hostAccess,
    log,
    ipv6Uplink: plan.ipv6 !== undefined,
    dhcp: (message, mac) => dhcp.answer(message, { mac: macFromNumber(mac) }),
  });
  const forwarder = new HostForwarder(network);
  return {
    network,
    services,
    dns,
    book,
    forwarder,
    plugQemu: (mac, ip, mtu) => {
      const [ours, theirs] = sockets.pair();
      const link = network.attach((receive) =>
        createStreamLink(network.reactor, ours, { name: `qemu ${mac}`, framing: QEMU_FRAMING, mtu }, receive),
      );
      const admission = book.attach(macFromNumber(parseMac(mac)));
      if (admission.admitted) link.onClose(() => admission.leave());
      network.gateway.neighbours.expect(parseAddress(ip) as IpAddress, parseMac(mac), link);
      return { fd: theirs, mtu, release: () => sockets.close(theirs) };
    },
    close: async () => {
      await forwarder.close();
      network.close();
      await dns.close();
    },
  };
}
