import { EngineError } from '../../errors';
import {
  type AccessSize,
  ALL_ONES,
  type InterruptLines,
  type MessageInterrupts,
  type RegisterDevice,
} from '../bus/register-device';
import { CONFIG_BYTES } from './config-layout';
import type { PciFunction } from './pci-function';
import type { BarPlan } from './pci-plan';

/** Configuration mechanism 1: 0xCF8 address, 0xCFC data; the reset control register lies in between, at 0xCF9. */
export const PCI_CONFIG_PORT = 0xcf8;
export const PCI_CONFIG_PORTS = 8;
/** Where BARs are at power-on and where the ACPI tables tell a guest to put them. HyperKit's windows. */
export const PCI_MEMORY_WINDOW = { start: 0xc000_0000, end: 0xe000_0000 } as const;
export const PCI_IO_WINDOW = { start: 0x2000, end: 0x1_0000 } as const;

const ADDRESS_OFFSET = 0;
const RESET_OFFSET = 1;
const DATA_OFFSET = 4;
// Bits of the address: PCI Local Bus 3.0, 3.2.2.3.2. Bits 30-24 and 1-0 read as zero.
const ADDRESS_ENABLE = 0x8000_0000;
const ADDRESS_BITS = 0x80ff_fffc;

const S_ADDRESS = 0;
const S_GENERATION = 1;

export interface PciBusWires {
  readonly messages: MessageInterrupts;
  /** Functions share inputs: these are {@link IntxWires}. */
  readonly lines: InterruptLines;
  /** Port 0xCF9. */
  readonly resetControl: RegisterDevice;
}

/** Registers behind a BAR. `length` counts from `offset` to the BAR's end. */
export interface FoundRegisters {
  readonly device: RegisterDevice;
  readonly offset: number;
  readonly length: number;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly device: RegisterDevice;
}

interface Attached {
  readonly pci: PciFunction;
  readonly devices: ReadonlyMap<number, RegisterDevice>;
}

/**
 * Bus 0, the only one, and the ports through which a guest configures it. Each thread has an object of it over the same
 * shared state; whoever calls holds the board's lock.
 */
export class PciBus implements RegisterDevice {
  static readonly STATE_BYTES = 8;
  readonly #state: Uint32Array;
  readonly #functions = new Map<number, Attached>();
  /** What is decoded where, as of generation {@link #known}. */
  #ranges: { readonly memory: Range[]; readonly io: Range[] } = { memory: [], io: [] };
  #known = -1;

  constructor(
    shared: SharedArrayBuffer,
    private readonly wires: PciBusWires,
  ) {
    this.#state = new Uint32Array(shared, 0, 2);
  }

  /**
   * Plugs a function in, in every thread alike. `devices` are the registers behind its BARs, by index; the MSI-X table's
   * are there already.
   */
  attach(pci: PciFunction, devices: ReadonlyMap<number, RegisterDevice>): void {
    const place = devfn(pci.plan.slot, pci.plan.func);
    if (this.#functions.has(place)) {
      throw new EngineError('HK_SPEC_INVALID', `two devices are in PCI slot ${pci.plan.slot}:${pci.plan.func}`);
    }
    const all = new Map(devices);
    if (pci.msix !== undefined) all.set(pci.plan.msixBar, pci.msix);
    this.#functions.set(place, { pci, devices: all });
    this.#known = -1;
    pci.connect(this.wires);
    pci.onBarChange(() => {
      Atomics.add(this.#state, S_GENERATION, 1);
    });
  }

  /**
   * Power-on of the bus and of every function on it, once for all threads; then does a firmware's work: gives each BAR
   * an address.
   *
   * @throws EngineError HK_SPEC_INVALID when the windows are too small.
   */
  reset(): void {
    this.#state[S_ADDRESS] = 0;
    const functions = [...this.#functions.values()].map(({ pci }) => pci);
    for (const pci of functions) {
      pci.reset();
      const { slot, func } = pci.plan;
      if (functions.some((other) => other.plan.slot === slot && other.plan.func !== func)) pci.markMultifunction();
    }
    this.#place(functions, 'memory', PCI_MEMORY_WINDOW);
    this.#place(functions, 'io', PCI_IO_WINDOW);
  }

  /** The registers at an address that are behind a BAR now. */
  find(kind: BarPlan['kind'], address: number): FoundRegisters | undefined {
    const generation = Atomics.load(this.#state, S_GENERATION);
    if (generation !== this.#known) {
      this.#ranges = this.#collect();
      this.#known = generation;
    }
    for (const range of this.#ranges[kind]) {
      if (address >= range.start && address < range.end) {
        return { device: range.device, offset: address - range.start, length: range.end - address };
      }
    }
    return undefined;
  }

  read(offset: number, size: AccessSize): number {
    if (offset === ADDRESS_OFFSET && size === 4) return this.#state[S_ADDRESS] as number;
    if (offset === RESET_OFFSET && size === 1) return this.wires.resetControl.read(0, 1);
    if (offset < DATA_OFFSET || offset + size > PCI_CONFIG_PORTS) return ALL_ONES[size];
    const target = this.#selected();
    if (target === undefined) return ALL_ONES[size];
    return target.readConfig(this.#register(offset), size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset === ADDRESS_OFFSET && size === 4) this.#state[S_ADDRESS] = value & ADDRESS_BITS;
    else if (offset === RESET_OFFSET && size === 1) this.wires.resetControl.write(0, 1, value);
    else if (offset >= DATA_OFFSET && offset + size <= PCI_CONFIG_PORTS) {
      this.#selected()?.writeConfig(this.#register(offset), size, value);
    }
  }

  #selected(): PciFunction | undefined {
    const address = this.#state[S_ADDRESS] as number;
    // Bus, slot and function in one number; what isn't bus 0 is in no slot.
    return (address & ADDRESS_ENABLE) === 0 ? undefined : this.#functions.get((address >>> 8) & 0xffff)?.pci;
  }

  #register(offset: number): number {
    return ((this.#state[S_ADDRESS] as number) & (CONFIG_BYTES - 4)) + offset - DATA_OFFSET;
  }

  #collect(): { memory: Range[]; io: Range[] } {
    const ranges: { memory: Range[]; io: Range[] } = { memory: [], io: [] };
    for (const { pci, devices } of this.#functions.values()) {
      for (const bar of pci.bars) {
        const start = pci.barBase(bar.index);
        const device = devices.get(bar.index);
        if (start !== undefined && device !== undefined) {
          ranges[bar.kind].push({ start, end: start + bar.bytes, device });
        }
      }
    }
    return ranges;
  }

  /** The largest first, so that aligning them wastes nothing. */
  #place(
    functions: readonly PciFunction[],
    kind: BarPlan['kind'],
    window: { readonly start: number; readonly end: number },
  ): void {
    const bars = functions.flatMap((pci) => pci.bars.filter((bar) => bar.kind === kind).map((bar) => ({ pci, bar })));
    bars.sort((one, other) => other.bar.bytes - one.bar.bytes);
    let next: number = window.start;
    for (const { pci, bar } of bars) {
      const address = Math.ceil(next / bar.bytes) * bar.bytes;
      next = address + bar.bytes;
      if (next > window.end) {
        throw new EngineError(
          'HK_SPEC_INVALID',
          `the PCI devices need more ${kind} addresses than there are (${window.end - window.start} bytes): use fewer`,
        );
      }
      pci.placeBar(bar.index, address);
    }
  }
}

function devfn(slot: number, func: number): number {
  return (slot << 3) | func;
}
