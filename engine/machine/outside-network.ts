import type { PinnedBuffer } from '../../native/pinned-buffer';
import { sockets } from '../../native/sockets';
import { formatIpv4 } from '../net/addressing/ipv4';
import { macFromNumber, macToNumber, parseMac } from '../net/addressing/mac';
import { planNetwork } from '../net/addressing/plan-network';
import { bridgeToVpnkit } from '../net/ethernet/bridge-to-vpnkit';
import { HostForwarder } from '../net/forwards/host-forwarder';
import type { FrameReceiver } from '../net/link/link';
import { type Framing, QEMU_FRAMING, VPNKIT_FRAMING } from '../net/link/stream-link';
import { Network } from '../net/network';
import { ETHERTYPE_IPV4, ETHERTYPE_OFFSET, readMac, writeMac } from '../net/wire/ethernet';
import { ipv4, MAPPED_PREFIX } from '../net/wire/ip-address';
import type { VmSpec } from '../spec/vm-spec';
import { HostPorts } from './host-ports';
import type { MachineNetwork } from './machine-network';

/** How long a machine's start waits for somebody to listen on the socket. */
const CONNECT_MS = 10_000;
/** RFC 2544's addresses for tests of network devices: nobody's network, so no network that a machine joins has them. */
const OUR_ADDRESS = '198.18.0.1';
/** Stands for the guest, whose address is the outside network's to give. */
const GUEST_ADDRESS = '198.18.0.2';

const SOURCE_MAC_OFFSET = 6;
/** Of the IPv4 header behind the Ethernet header (RFC 791 section 3.1). */
const SOURCE_OFFSET = 26;
const DESTINATION_OFFSET = 30;
const IPV4_FRAME_BYTES = 34;

/**
 * A machine in somebody else's network: a vpnkit or gvproxy at a unix socket. Its addresses, names and ways out are that
 * network's. The host's ports still lead to it, because we sit on its cable as one more sender: our connections come
 * from an address that is nobody's, so the guest's answers go towards its router, and are picked out on the way.
 * @throws EngineError HK_NET_UNAVAILABLE, HK_NET_PROTOCOL when that network can't be joined; HK_ADDRESS_IN_USE,
 * HK_HYPERVISOR_FAILED when a port can't be listened on
 */
export async function openOutsideNetwork(
  { network: spec, uuid }: Pick<VmSpec, 'network' | 'uuid'>,
  socketPath: string,
  log: (line: string) => void,
): Promise<MachineNetwork> {
  let guest: number | undefined;
  const plan = planNetwork({ gateway: OUR_ADDRESS, hostAlias: '0.0.0.0', lowest: GUEST_ADDRESS, ipv6: false });
  const ours = macToNumber(plan.gatewayMac);
  const inside = new Network({
    plan,
    services: { streams: new Map(), datagrams: new Map() },
    dhcp: () => undefined,
    hostAccess: 'none',
    log,
    masquerade: true,
    onlyGuest: () => (guest === undefined ? undefined : ipv4(guest)),
  });
  const forwarder = new HostForwarder(inside);
  const closeInside = async (): Promise<void> => {
    await forwarder.close();
    inside.close();
  };
  try {
    const request = { path: socketPath, uuid, connectMs: CONNECT_MS, log };
    const bridge = await bridgeToVpnkit(inside.reactor, request);
    const mac = macToNumber(parseMac(bridge.mac) as Uint8Array);
    log(`joined the network at ${socketPath} as ${bridge.mac}`);
    let receive: FrameReceiver = () => undefined;
    /** Learns the guest's address from what it sends, and takes what it sends to us. */
    const take = (buffer: PinnedBuffer, start: number, end: number): boolean => {
      const { view } = buffer;
      if (end - start < IPV4_FRAME_BYTES || view.getUint16(start + ETHERTYPE_OFFSET) !== ETHERTYPE_IPV4) return false;
      if (readMac(view, start + SOURCE_MAC_OFFSET) !== mac) return false;
      const source = view.getUint32(start + SOURCE_OFFSET);
      if (source !== guest && source !== 0) {
        guest = source;
        log(`the machine is at ${formatIpv4(source)} in the network at ${socketPath}`);
        inside.gateway.neighbours.learn(0, 0, MAPPED_PREFIX, source | 0, mac, port);
      }
      if (view.getUint32(start + DESTINATION_OFFSET) !== plan.gateway) return false;
      // It was addressed to the guest's router.
      writeMac(view, start, ours);
      receive(buffer, start, end, false);
      return true;
    };
    const port = inside.attach((receiver) => {
      receive = receiver;
      return bridge.relay.openPort(`vpnkit ${uuid}`, take);
    });
    /** The machine's end of a new cable. */
    const openCable = (framing: Framing): number => {
      const [ours, theirs] = sockets.pair();
      bridge.relay.plugNear(ours, framing);
      return theirs;
    };
    const ports = new HostPorts(forwarder, spec, GUEST_ADDRESS);
    const close = async (): Promise<void> => {
      bridge.close();
      await closeInside();
    };
    await ports.openForwards().catch(async (error: unknown) => {
      await close();
      throw error;
    });
    return {
      macAddress: bridge.mac,
      cable: {
        mtu: bridge.mtu,
        openSocket: () => {
          const theirs = openCable(QEMU_FRAMING);
          return { fd: theirs, release: () => sockets.close(theirs) };
        },
        openNic: async () => {
          const { createStreamNic } = await import('../vmm/virtio/net/stream-nic');
          const name = `vpnkit ${uuid}`;
          const card = { name, mac: macFromNumber(mac), mtu: bridge.mtu, framing: VPNKIT_FRAMING };
          const nic = createStreamNic(inside.reactor, { ...card, lost: () => undefined });
          nic.plug(openCable(VPNKIT_FRAMING));
          return { nic, reactor: inside.reactor };
        },
      },
      ports,
      traffic: undefined,
      close,
    };
  } catch (error) {
    await closeInside();
    throw error;
  }
}
