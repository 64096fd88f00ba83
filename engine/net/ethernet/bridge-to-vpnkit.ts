import { formatMac } from '../addressing/mac';
import { VPNKIT_FRAMING } from '../link/stream-link';
import type { Reactor } from '../reactor/reactor';
import { connectEthernet, type EthernetRequest } from './connect-ethernet';
import { FrameRelay } from './frame-relay';
import { Rejoin } from './rejoin';

export type BridgeOptions = Pick<EthernetRequest, 'path' | 'uuid' | 'preferredIp' | 'connectMs' | 'signal' | 'log'>;

/** A machine of ours in somebody else's network. */
export interface VpnkitBridge {
  /** What the machine's card should have: by it the network knows the machine. */
  readonly mac: string;
  readonly mtu: number;
  /** Where the machine is plugged in, as often as it starts. */
  readonly relay: Pick<FrameRelay, 'plugNear' | 'openPort'>;
  close(): void;
}

/**
 * Joins a running vpnkit or gvproxy for a machine. When that one goes away, the machine's cable is out until it is back:
 * the bridge joins again with the same UUID, after 0.1 s at first and every 5 s at last, until it is closed.
 * @throws EngineError as connectEthernet does
 */
export async function bridgeToVpnkit(reactor: Reactor, options: BridgeOptions): Promise<VpnkitBridge> {
  const { fd, mtu, mac } = await connectEthernet(reactor, options);
  const ending = new AbortController();
  const { signal } = ending;
  const request = { ...options, signal };
  const relay = new FrameRelay(reactor, () => rejoin.lost());
  const rejoin = new Rejoin(reactor, request, mac, (again) => relay.plugFar(again.fd, VPNKIT_FRAMING));
  relay.plugFar(fd, VPNKIT_FRAMING);

  return {
    mac: formatMac(mac),
    mtu,
    relay,
    close: () => {
      ending.abort();
      relay.close();
    },
  };
}
