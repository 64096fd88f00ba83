import type { AhciChannel } from '../ahci/ahci-channel';
import type { MemoryRegion } from '../memory/guest-memory';
import type { PciPlan } from '../pci/pci-plan';
import type { VirtioChannel } from '../virtio/virtio-channel';

/** A serial port: its registers' state, and the ring that takes what the guest sends. */
export interface SerialPlan {
  readonly state: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
}

/** A debug port of bhyve's: two rings. */
export interface DebugPortPlan {
  readonly output: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
}

/** What is in a PCI slot. */
export interface PciSlotPlan {
  readonly pci: PciPlan;
  readonly state: SharedArrayBuffer;
  readonly device: /** Configuration space only. */
    | { readonly kind: 'bare' }
    /** The bridge with the PIRQ registers. */
    | { readonly kind: 'lpc' }
    | { readonly kind: 'serial'; readonly serial: SerialPlan }
    | { readonly kind: 'virtio'; readonly channel: VirtioChannel }
    | { readonly kind: 'ahci'; readonly channel: AhciChannel };
}

/**
 * A board as plain data: the same for each of its threads, which make their own objects of it over the same shared
 * memory (see assemble-board.ts).
 */
export interface BoardPlan {
  /** Descriptor of the virtual machine. */
  readonly vm: number;
  /** Signalled for the main thread. */
  readonly noticeEventfd: number;
  readonly memory: readonly MemoryRegion[];
  readonly strictIo: boolean;
  readonly rtc: 'utc' | 'local';
  readonly words: SharedArrayBuffer;
  readonly lock: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly cmos: SharedArrayBuffer;
  readonly i8042: SharedArrayBuffer;
  readonly port92: SharedArrayBuffer;
  readonly resetControl: SharedArrayBuffer;
  readonly acpi: SharedArrayBuffer;
  readonly pciBus: SharedArrayBuffer;
  readonly intx: SharedArrayBuffer;
  readonly com1: SerialPlan | undefined;
  readonly com2: SerialPlan | undefined;
  readonly debugConsole: DebugPortPlan | undefined;
  readonly debugger: DebugPortPlan | undefined;
  readonly slots: readonly PciSlotPlan[];
}
