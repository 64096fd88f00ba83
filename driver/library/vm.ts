import type { ExitReason } from '../../engine/hypervisors/hypervisor';
import type { AcceleratorChoice, HypervisorChoice, PortForward } from '../../engine/spec/vm-spec';

/** A raw image, which the guest finds as `vda`, `vdb`, …. */
export interface VmDisk {
  readonly path: string;
  /** False unless given. */
  readonly readOnly?: boolean | undefined;
}

/** A virtual machine that boots a Linux kernel. Paths are relative to the working directory. */
export interface VmOptions {
  /** bzImage. */
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel arguments, without `initrd=`; `console=ttyS0` unless given. */
  readonly commandLine?: string | undefined;
  /** Shown in messages, and the guest's host name by DHCP; `vm` unless given. */
  readonly name?: string | undefined;
  /** 512 unless given. */
  readonly memoryMiB?: number | undefined;
  /** 1 unless given. */
  readonly vcpus?: number | undefined;
  readonly disks?: readonly VmDisk[] | undefined;
  /** ISO images, at most four. */
  readonly cdroms?: readonly string[] | undefined;
  /** TCP ports of this host that lead to the guest; none unless given. */
  readonly forwards?: readonly PortForward[] | undefined;
  /** IPv4 address of this host where the forwards listen; 127.0.0.1 unless given. */
  readonly bindAddress?: string | undefined;
  /** Ports of this host's own 127.0.0.1 that the guest may reach as host.docker.internal; none unless given. */
  readonly hostPorts?: 'all' | readonly number[] | undefined;
  readonly hypervisor?: HypervisorChoice | undefined;
  readonly accelerator?: AcceleratorChoice | undefined;
  /** Gives up the start; the rejection is the signal's reason. Later it does nothing. */
  readonly signal?: AbortSignal | undefined;
  /** The serial console's output as it comes. Must not throw. */
  readonly onConsole?: ((bytes: Uint8Array) => void) | undefined;
  /** Lines of the hypervisor and the network, for whoever looks for a fault. Must not throw. */
  readonly onLog?: ((line: string) => void) | undefined;
}

/** A virtual machine of this process, from its start to its end. */
export interface Vm {
  /** What runs it, e.g. `native/kvm` or `qemu/tcg`. */
  readonly backend: string;
  /** Types on the serial console. False: the guest takes no input just now, and nothing was taken. */
  type(input: string | Uint8Array): boolean;
  /** Presses the ACPI power button; resolves when it was pressed. Whether the guest goes down is the guest's affair. */
  powerButton(): Promise<void>;
  /** Pulls the plug; resolves when nothing of the machine is left. Does no harm when it has ended. */
  kill(): Promise<void>;
  /** How it ended; by then all of it is closed: process, threads, network, ports. A guest that resets has ended, too. */
  readonly exited: Promise<ExitReason>;
}
