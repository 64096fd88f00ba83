import type { Cable, GuestPorts } from '../hypervisors/hypervisor';

/** The network of one machine, and the host's ports that lead to the guest. */
export interface MachineNetwork {
  /** What the guest's NIC must have: by it the network knows the guest. */
  readonly macAddress: string;
  /** To the guest's NIC, anew for each start. */
  readonly cable: Cable;
  readonly ports: GuestPorts;
  close(): Promise<void>;
}
