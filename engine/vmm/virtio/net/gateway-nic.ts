import { formatMac } from '../../../net/addressing/mac';
import type { OpenGateway } from '../../../net/open-gateway';
import { GuestLink } from './guest-link';
import { ALL_OFFLOADS } from './net-header';
import type { NicBackend } from './nic-backend';

export interface GatewayNicOptions {
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** The guest's address; undefined: the gateway chooses. */
  readonly ip?: string | undefined;
}

/** Plugs a NIC straight into a gateway of this process: no descriptor, no copy and no wake-up lies between them. */
export function plugGatewayNic(gateway: OpenGateway, { mac, ip }: GatewayNicOptions): NicBackend {
  const { reactor, plan } = gateway.network;
  const name = `nic ${formatMac(mac)}`;
  let plugged: GuestLink | undefined;
  gateway.plug(formatMac(mac), ip, (receive) => {
    plugged = new GuestLink(reactor, { name, mtu: plan.mtu }, receive);
    return plugged;
  });
  const link = plugged as unknown as GuestLink;
  return {
    name: 'gateway',
    mac,
    mtu: plan.mtu,
    offloads: ALL_OFFLOADS,
    start: (queues) => link.start(queues),
    receiveKicked: () => link.receiveKicked(),
    transmitKicked: () => link.transmitKicked(),
    stop: () => link.stop(),
    close: () => reactor.enter(() => link.close()),
  };
}
