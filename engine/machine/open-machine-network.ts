import { EngineError } from '../errors';
import { parseMac } from '../net/addressing/mac';
import { hasIpv6Uplink } from '../net/gateway/ipv6-uplink';
import type { NetworkSpec, VmSpec } from '../spec/vm-spec';
import { HostPorts } from './host-ports';
import type { MachineNetwork } from './machine-network';

/** Bytes of a packet between the gateway and the guest. No wire limits it, and long packets are few. */
const MTU = 65_520;
/** Of 192.168.65.0/24, VPNKit's network: the first address that is not the gateway's own. */
const GUEST_IP = '192.168.65.3';

/**
 * Opens the machine's network and the forwards of its specification: a gateway in this process, or the outside network
 * that was asked for. Undefined where there is none for this platform: the hypervisor's own is used then.
 * @throws EngineError HK_ADDRESS_IN_USE, HK_HYPERVISOR_FAILED when a port can't be listened on, HK_NET_UNAVAILABLE and
 * HK_NET_PROTOCOL when an outside network can't be joined; nothing is left open.
 */
export async function openMachineNetwork(
  spec: VmSpec,
  log: (line: string) => void,
): Promise<MachineNetwork | undefined> {
  const { network, name } = spec;
  const say = (line: string): void => log(`network of ${name}: ${line}`);
  if (network.vpnkitSocket !== undefined) {
    if (process.platform !== 'linux') {
      const text = `cannot join the network at ${network.vpnkitSocket}: this is not available on ${process.platform} yet`;
      throw new EngineError('HK_NET_UNAVAILABLE', text);
    }
    const { openOutsideNetwork } = await import('./outside-network');
    return await openOutsideNetwork(spec, network.vpnkitSocket, say);
  }
  if (process.platform !== 'linux') return undefined;
  const { openGateway } = await import('../net/open-gateway');
  const gateway = openGateway({
    network: {
      mtu: MTU,
      ipv6: hasIpv6Uplink() ? undefined : false,
      guests: [{ mac: network.macAddress, ip: GUEST_IP, hostname: hostnameOf(network) }],
    },
    // What listens on the host's own loopback is not meant for guests, and containers are strangers.
    hostAccess: network.hostPorts === 'all' ? 'all' : new Set(network.hostPorts),
    log: say,
  });
  const ports = new HostPorts(gateway.forwarder, network, GUEST_IP);
  const close = async (): Promise<void> => await gateway.close();
  await ports.openForwards().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    macAddress: network.macAddress,
    cable: {
      mtu: MTU,
      openSocket: () => gateway.plugQemu(network.macAddress, GUEST_IP, MTU),
      openNic: async () => {
        const { plugGatewayNic } = await import('../vmm/virtio/net/gateway-nic');
        const mac = parseMac(network.macAddress);
        if (mac === undefined) throw new EngineError('HK_SPEC_INVALID', `${network.macAddress} is not a MAC address`);
        return { nic: plugGatewayNic(gateway, { mac, ip: GUEST_IP }), reactor: gateway.network.reactor };
      },
    },
    ports,
    traffic: gateway.network.traffic,
    close,
  };
}

/** Names that DHCP can't carry are not told. */
function hostnameOf({ hostname }: NetworkSpec): string | undefined {
  return /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(hostname) ? hostname : undefined;
}
