import type { SerialLine } from '../console/serial-line';
import type { Reactor } from '../net/reactor/reactor';
import type { GuestPort, VmSpec } from '../spec/vm-spec';
import type { NicBackend } from '../vmm/virtio/net/nic-backend';

/** Why a virtual machine ended, in HyperKit's terms. */
export type ExitReason =
  /** The guest powered itself off (ACPI S5). */
  | { readonly kind: 'power-off' }
  /** The guest asked for a reset; the machine process starts it again. */
  | { readonly kind: 'reset' }
  /** `kill()` was called. */
  | { readonly kind: 'killed' }
  /** Its state is in a file, and it goes on from there. */
  | { readonly kind: 'suspended' }
  /** The hypervisor died or gave up; `detail` is its last words. */
  | { readonly kind: 'failed'; readonly detail: string };

/** What a back end's probe found out by running, not by looking. */
export type ProbeResult =
  | {
      readonly usable: true;
      /** Shown to people, e.g. `QEMU 7.2.22, TCG (KVM: 1.8 MIPS, too slow for a kernel)`. */
      readonly summary: string;
      /** Relative speed, higher is better; `auto` takes the highest. Hardware virtualisation is at least 100, emulation below. */
      readonly rank: number;
    }
  | {
      readonly usable: false;
      /** Why not, and what to do about it. */
      readonly reason: string;
    };

/** Ports of the host, on the network's bind address, that lead to the same port of the guest. */
export interface GuestPorts {
  /** @throws EngineError HK_ADDRESS_IN_USE, HK_FORWARD_FAILED when the host refuses it. */
  open(port: GuestPort): Promise<void>;
  /** Closes what `open` opened. */
  close(port: GuestPort): Promise<void>;
  /** From now on tells `listener`, and nobody else, of each connection to a port of the host. Undefined: it can't be known. */
  onConnection?(listener: (hostPort: number) => void): void;
}

/** A virtual machine that has been started and not yet ended. */
export interface RunningVm {
  /** Shown in state files and messages, e.g. `qemu/tcg`. */
  readonly backend: string;
  /** Child processes that belong to this VM: whoever finds them after a crash may end them. */
  readonly children: readonly { readonly pid: number }[];
  /** Presses the ACPI power button. Resolves when the press was delivered, not when the guest is down. */
  powerButton(): Promise<void>;
  /** Ends the VM at once, like pulling the plug. Resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** The ports of a hypervisor's own network; undefined when the VM was given a NIC. */
  readonly ports: GuestPorts | undefined;
  /** Settles once, never rejects. After it nothing of the VM (process, descriptor, port) is left. */
  readonly exited: Promise<ExitReason>;
}

/** The cable of a VM's NIC, whose other end is in a network of this process. One of the two ways is taken, once. */
export interface Cable {
  /** Bytes of an IP packet. */
  readonly mtu: number;
  /**
   * For a hypervisor that is another process: a connected unix stream socket that carries frames, each behind its length
   * as u32 in network order. The child gets a copy of the descriptor; `release` closes this one. The network's end
   * closes with the last copy.
   */
  openSocket(): { readonly fd: number; release(): void };
  /** For a hypervisor in this process. The NIC is the caller's to close; it lives in `reactor`, which is the network's. */
  openNic(): Promise<{ readonly nic: NicBackend; readonly reactor: Reactor }>;
}

/** What a VM is connected to. */
export interface Attachments {
  /** At the other end of the VM's serial console; it outlives the VM. */
  readonly console: SerialLine;
  /** Undefined: the hypervisor brings a network of its own, with the specification's forwards. */
  readonly cable: Cable | undefined;
}

/** A way to run virtual machines on this host. */
export interface Hypervisor {
  readonly name: 'native' | 'qemu';
  /** Guests run in this process, which starts no other one for them: it can be put into a sandbox. */
  readonly inProcess: boolean;
  /** Can it run `spec` here, how fast, and if not, why. Never throws. */
  probe(spec: Pick<VmSpec, 'accelerator'>): Promise<ProbeResult>;
  /**
   * Starts the VM and resolves when guest code runs; with a network of its own, when all host ports are bound, too.
   * @throws EngineError HK_HYPERVISOR_FAILED, HK_ADDRESS_IN_USE; nothing is left behind.
   */
  start(spec: VmSpec, attachments: Attachments): Promise<RunningVm>;
}
