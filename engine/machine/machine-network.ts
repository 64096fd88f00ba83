import type { NativeError } from '../../native/native-error';
import type { EngineError } from '../errors';
import type { GuestPorts } from '../hypervisors/hypervisor';
import { explainListenFailure } from '../hypervisors/qemu/check-ports';
import type { Forward } from '../net/forwards/forwarder';
import { hasIpv6Uplink } from '../net/gateway/ipv6-uplink';
import type { GuestPort, NetworkSpec, VmSpec } from '../spec/vm-spec';

/** Bytes of a packet between the gateway and the guest. No wire limits it, and long packets are few. */
const MTU = 65_520;
/** Of 192.168.65.0/24, VPNKit's network: the first address that is not the gateway's own. */
const GUEST_IP = '192.168.65.3';

/** One end of a cable, for a hypervisor. */
export interface Plug {
  readonly fd: number;
  readonly mtu: number;
  /** Closes our copy of the hypervisor's end. */
  release(): void;
}

/** The network of one machine: a gateway in this process, and the host's ports that lead to the guest. */
export interface MachineNetwork {
  /** A new cable to the guest's NIC; the gateway is at its other end until the hypervisor closes it. */
  plug(): Plug;
  readonly ports: GuestPorts;
  close(): Promise<void>;
}

/**
 * Opens the machine's network and the forwards of its specification. Undefined where there is none for this platform:
 * the hypervisor's own is used then.
 * @throws EngineError HK_ADDRESS_IN_USE, HK_HYPERVISOR_FAILED when a port can't be listened on; nothing is left open.
 */
export async function openMachineNetwork(
  { network, name }: VmSpec,
  log: (line: string) => void,
): Promise<MachineNetwork | undefined> {
  if (process.platform !== 'linux') return undefined;
  const { openGateway } = await import('../net/open-gateway');
  const gateway = openGateway({
    network: {
      mtu: MTU,
      ipv6: hasIpv6Uplink() ? undefined : false,
      guests: [{ mac: network.macAddress, ip: GUEST_IP, hostname: hostnameOf(network) }],
    },
    // What listens on the host's own loopback is not meant for guests, and containers are strangers.
    hostAccess: 'none',
    log: (line) => log(`network of ${name}: ${line}`),
  });
  const open = new Map<string, Forward>();
  const forward = async (protocol: GuestPort['protocol'], hostPort: number, guestPort: number): Promise<void> => {
    const host = { address: network.bindAddress, port: hostPort };
    const spec = { protocol, host, guest: { address: GUEST_IP, port: guestPort } };
    open.set(`${hostPort}/${protocol}`, await gateway.forwarder.open(spec));
  };
  const close = async (): Promise<void> => await gateway.close();
  for (const { hostPort, guestPort } of network.forwards) {
    try {
      await forward('tcp', hostPort, guestPort);
    } catch (error) {
      await close();
      const cause = (error as EngineError).cause as NativeError | undefined;
      throw await explainListenFailure(network.bindAddress, hostPort, cause?.errno, error as Error);
    }
  }
  return {
    plug: () => gateway.plugQemu(network.macAddress, GUEST_IP, MTU),
    ports: {
      open: ({ protocol, port }) => forward(protocol, port, port),
      close: async ({ protocol, port }) => {
        const name = `${port}/${protocol}`;
        await open.get(name)?.close();
        open.delete(name);
      },
    },
    close,
  };
}

/** Names that DHCP can't carry are not told. */
function hostnameOf({ hostname }: NetworkSpec): string | undefined {
  return /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(hostname) ? hostname : undefined;
}
