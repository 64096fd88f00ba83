import { setTimeout as pause } from 'node:timers/promises';
import { sockets } from '../../../native/sockets';
import { formatMac } from '../addressing/mac';
import { VPNKIT_FRAMING } from '../link/stream-link';
import type { Reactor } from '../reactor/reactor';
import { connectEthernet, type EthernetRequest } from './connect-ethernet';
import { FrameRelay } from './frame-relay';

const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 5000;
/** A connection that lasted for so long was a good one: the next back-off begins anew. */
const GOOD_MS = 5000;

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
  let sinceMs = performance.now();
  let backOffMs = FIRST_BACK_OFF_MS;
  const relay = new FrameRelay(reactor, () => {
    options.log(`the network at ${options.path} is gone; the machine's cable is out until it is back`);
    if (performance.now() - sinceMs > GOOD_MS) backOffMs = FIRST_BACK_OFF_MS;
    void rejoin();
  });
  relay.plugFar(fd, VPNKIT_FRAMING);

  async function rejoin(): Promise<void> {
    for (let complaint = ''; ; backOffMs = Math.min(2 * backOffMs, LONGEST_BACK_OFF_MS)) {
      try {
        await pause(backOffMs, undefined, { signal });
        const again = await connectEthernet(reactor, { ...request, connectMs: 0 });
        if (signal.aborted) {
          sockets.close(again.fd);
          return;
        }
        sinceMs = performance.now();
        backOffMs = Math.min(2 * backOffMs, LONGEST_BACK_OFF_MS);
        if (formatMac(again.mac) !== formatMac(mac)) {
          options.log(`the network now knows the machine as ${formatMac(again.mac)}, its card is ${formatMac(mac)}`);
        }
        relay.plugFar(again.fd, VPNKIT_FRAMING);
        options.log(`back in the network at ${options.path}`);
        return;
      } catch (error) {
        if (signal.aborted) return;
        // The same reason again and again is one line of log.
        const { message } = error as Error;
        if (message !== complaint) options.log(message);
        complaint = message;
      }
    }
  }

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
