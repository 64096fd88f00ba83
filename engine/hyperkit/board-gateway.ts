import type { NativeError } from '../../native/native-error';
import type { EngineError } from '../errors';
import { explainListenFailure } from '../hypervisors/qemu/check-ports';
import { formatIpv4 } from '../net/addressing/ipv4';
import { hasIpv6Uplink } from '../net/gateway/ipv6-uplink';
import type { OpenGateway } from '../net/open-gateway';
import type { BoardSpec, HostForward, NicSpec } from '../spec/board-spec';

/** Bytes of a packet between the gateway and the guest. No wire limits it, and long packets are few. */
export const GATEWAY_MTU = 65_520;
/** 192.168.65.3, the first address of VPNKit's network that is not the gateway's own. */
const FIRST_GUEST = 0xc0a8_4103;

/** The network of a board's `virtio-net` cards. */
export interface BoardGateway {
  readonly gateway: OpenGateway;
  /** The address of the card with that MAC. */
  ipOf(mac: string): string;
  close(): Promise<void>;
}

/** The NICs of a board, in the order of its slots. */
export function boardNics({ slots }: BoardSpec): readonly NicSpec[] {
  return slots.flatMap(({ device }) => (device.kind === 'virtio-net' ? [device.network] : []));
}

/**
 * Opens one network for all cards of that kind, and the ports of the host that lead to them. Undefined when there is no such card.
 * @throws EngineError HK_ADDRESS_IN_USE, HK_HYPERVISOR_FAILED when a port can't be listened on; nothing is left open.
 */
export async function openBoardGateway(
  board: BoardSpec,
  log: (line: string) => void,
): Promise<BoardGateway | undefined> {
  const cards = boardNics(board).filter((nic) => nic.kind === 'gateway');
  if (cards.length === 0) return undefined;
  const { openGateway } = await import('../net/open-gateway');
  const guests = cards.map(({ mac = '' }, index) => ({ mac, ip: formatIpv4(FIRST_GUEST + index) }));
  const gateway = openGateway({
    network: { mtu: GATEWAY_MTU, ipv6: hasIpv6Uplink() ? undefined : false, guests },
    // What listens on the host's own loopback is not meant for guests.
    hostAccess: 'none',
    log: (line) => log(`network: ${line}`),
  });
  try {
    for (const [index, { forwards }] of cards.entries()) {
      for (const forward of forwards) await openForward(gateway, forward, guests[index]?.ip ?? '');
    }
  } catch (error) {
    await gateway.close();
    throw error;
  }
  return {
    gateway,
    ipOf: (mac) => guests.find((guest) => guest.mac === mac)?.ip ?? '',
    close: async () => await gateway.close(),
  };
}

async function openForward(gateway: OpenGateway, forward: HostForward, guest: string): Promise<void> {
  const { protocol, address, hostPort, guestPort } = forward;
  try {
    await gateway.forwarder.open({
      protocol,
      host: { address, port: hostPort },
      guest: { address: guest, port: guestPort },
    });
  } catch (error) {
    const cause = (error as EngineError).cause as NativeError | undefined;
    throw await explainListenFailure(address, hostPort, cause?.errno, error as Error);
  }
}
