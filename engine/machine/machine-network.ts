import type { GuestPorts } from '../hypervisors/hypervisor';

/** One end of a cable, for a hypervisor. */
export interface Plug {
  readonly fd: number;
  readonly mtu: number;
  /** Closes our copy of the hypervisor's end. */
  release(): void;
}

/** The network of one machine, and the host's ports that lead to the guest. */
export interface MachineNetwork {
  /** What the guest's NIC must have: by it the network knows the guest. */
  readonly macAddress: string;
  /** A new cable to the guest's NIC; the network is at its other end until the hypervisor closes it. */
  plug(): Plug;
  readonly ports: GuestPorts;
  close(): Promise<void>;
}
