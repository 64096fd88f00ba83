import type { Cable } from '../hypervisors/hypervisor';
import type { Traffic } from '../net/link/count-link';
import type { HostPorts } from './host-ports';

/** The network of one machine, and the host's ports that lead to the guest. */
export interface MachineNetwork {
  /** What the guest's NIC must have: by it the network knows the guest. */
  readonly macAddress: string;
  /** To the guest's NIC, anew for each start. */
  readonly cable: Cable;
  readonly ports: HostPorts;
  /** Undefined where it is another process that carries it. */
  readonly traffic: Readonly<Traffic> | undefined;
  close(): Promise<void>;
}
