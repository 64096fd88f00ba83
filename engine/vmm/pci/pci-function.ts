import {
  type AccessSize,
  ALL_ONES,
  type InterruptLines,
  type MessageInterrupts,
  type RegisterDevice,
} from '../bus/register-device';
import { allBars, layOutConfig } from './config-image';
import {
  BAR_IO,
  BAR0,
  COMMAND,
  COMMAND_BUS_MASTER,
  COMMAND_INTX_OFF,
  COMMAND_IO,
  COMMAND_MEMORY,
  CONFIG_BYTES,
  HEADER_MULTIFUNCTION,
  HEADER_TYPE,
  MSI_CONTROL_ON,
  STATUS,
  STATUS_INTX,
} from './config-layout';
import { intxGsi } from './intx-wires';
import { MsixTable } from './msix-table';
import type { BarPlan, PciPlan } from './pci-plan';

/** Behind the configuration space: i32 INTA# is wanted, i32 INTA# is driven. */
const STATE_HEADER_WORDS = 2;
const S_INTX_WANTED = 0;
const S_INTX_DRIVEN = 1;
const MSIX_OFFSET = CONFIG_BYTES + STATE_HEADER_WORDS * 4;

export interface PciFunctionWires {
  readonly messages: MessageInterrupts;
  readonly lines: InterruptLines;
}

type BarListener = (index: number, before: number | undefined, now: number | undefined) => void;

interface Window {
  readonly offset: number;
  readonly end: number;
  readonly device: RegisterDevice;
}

/**
 * One function of a PCI device: its configuration space, and how it interrupts (PCI Local Bus 3.0, chapter 6). Each
 * thread has an object of it over the same shared state. Whoever calls holds the board's lock.
 */
export class PciFunction {
  static stateBytes(plan: PciPlan): number {
    return MSIX_OFFSET + MsixTable.stateBytes(plan.msixVectors);
  }

  readonly bars: readonly BarPlan[];
  readonly msix: MsixTable | undefined;
  /** Where each of the plan's capabilities lies in configuration space. */
  readonly capabilityOffsets: readonly number[];
  readonly #config: DataView;
  readonly #bytes: Uint8Array;
  readonly #state: Int32Array;
  readonly #powerOn: Uint8Array;
  /** Bits that a guest can change. */
  readonly #writable: Uint8Array;
  readonly #msiOffset: number | undefined;
  readonly #msixOffset: number | undefined;
  readonly #listeners: BarListener[] = [];
  readonly #windows: Window[] = [];
  #wires: PciFunctionWires | undefined;

  /** @throws RangeError for a plan that can't be built. */
  constructor(
    readonly plan: PciPlan,
    shared: SharedArrayBuffer,
  ) {
    this.bars = allBars(plan);
    const image = layOutConfig(plan, this.bars);
    this.#powerOn = image.powerOn;
    this.#writable = image.writable;
    this.capabilityOffsets = image.capabilityOffsets;
    this.#msiOffset = image.msiOffset;
    this.#msixOffset = image.msixOffset;
    this.#config = new DataView(shared, 0, CONFIG_BYTES);
    this.#bytes = new Uint8Array(shared, 0, CONFIG_BYTES);
    this.#state = new Int32Array(shared, CONFIG_BYTES, STATE_HEADER_WORDS);
    if (plan.msixVectors > 0) {
      this.msix = new MsixTable(
        plan.msixVectors,
        shared,
        MSIX_OFFSET,
        () => this.#msixControl,
        () => this.#wires?.messages,
      );
    }
  }

  /** Where interrupts go that the guest's own writes let loose. The bus does this. */
  connect(wires: PciFunctionWires): void {
    this.#wires = wires;
  }

  /** Power-on: BARs are nowhere and not decoded. */
  reset(): void {
    const before = this.#bases();
    if (this.#wires !== undefined) this.setIntx(false, this.#wires.lines);
    this.#bytes.set(this.#powerOn);
    this.#state.fill(0);
    this.msix?.reset();
    this.#announce(before);
  }

  /** For the bus at power-on, as firmware does: the BAR is at `address` and decoded. */
  placeBar(index: number, address: number): void {
    const bar = this.bars.find((one) => one.index === index);
    if (bar === undefined) return;
    const before = this.#bases();
    this.#config.setUint32(BAR0 + 4 * index, address | (bar.kind === 'io' ? BAR_IO : 0), true);
    this.#config.setUint16(COMMAND, this.#command | (bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY), true);
    this.#announce(before);
  }

  /** For the bus at power-on: the slot has other functions, too. */
  markMultifunction(): void {
    this.#bytes[HEADER_TYPE] = HEADER_MULTIFUNCTION;
  }

  /** Accesses to these bytes of configuration space go to `device`, whose offsets count from `offset`. */
  addWindow(offset: number, length: number, device: RegisterDevice): void {
    this.#windows.push({ offset, end: offset + length, device });
  }

  readConfig(offset: number, size: AccessSize): number {
    if (!(offset >= 0 && offset + size <= CONFIG_BYTES)) return ALL_ONES[size];
    const window = this.#windowAt(offset, size);
    if (window !== undefined) return window.device.read(offset - window.offset, size);
    if (size === 1) return this.#config.getUint8(offset);
    return size === 2 ? this.#config.getUint16(offset, true) : this.#config.getUint32(offset, true);
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (!(offset >= 0 && offset + size <= CONFIG_BYTES)) return;
    const window = this.#windowAt(offset, size);
    if (window !== undefined) {
      window.device.write(offset - window.offset, size, value);
      return;
    }
    const before = this.#bases();
    for (let at = 0; at < size; at++) {
      const mask = this.#writable[offset + at] as number;
      const kept = (this.#bytes[offset + at] as number) & ~mask;
      this.#bytes[offset + at] = kept | ((value >>> (8 * at)) & mask);
    }
    this.#announce(before);
    this.#driveIntx(this.#wires?.lines);
    this.msix?.flush();
  }

  /** Where a BAR is now; undefined while it is not decoded. */
  barBase(index: number): number | undefined {
    const bar = this.bars.find((one) => one.index === index);
    return bar === undefined ? undefined : this.#base(bar);
  }

  /** The listener runs in the thread whose vCPU moved the BAR, with the board's lock held. */
  onBarChange(listener: BarListener): void {
    this.#listeners.push(listener);
  }

  /** The guest lets the device read and write its memory. */
  get busMaster(): boolean {
    return (this.#command & COMMAND_BUS_MASTER) !== 0;
  }

  /** The driver uses MSI instead of the interrupt pin. */
  get msiEnabled(): boolean {
    const at = this.#msiOffset;
    return at !== undefined && (this.#config.getUint16(at + 2, true) & MSI_CONTROL_ON) !== 0;
  }

  /** Interrupts by MSI if the driver turned it on; false: it did not. */
  signalMsi(messages: MessageInterrupts): boolean {
    const at = this.#msiOffset;
    if (at === undefined || !this.msiEnabled) return false;
    messages.send(
      this.#config.getUint32(at + 4, true),
      this.#config.getUint32(at + 8, true),
      this.#config.getUint16(at + 12, true),
    );
    return true;
  }

  /** Wants the interrupt pin on or off; the driver may have disabled it. */
  setIntx(level: boolean, lines: InterruptLines): void {
    if (!this.plan.interruptPin) return;
    this.#state[S_INTX_WANTED] = level ? 1 : 0;
    const status = (this.#bytes[STATUS] as number) & ~STATUS_INTX;
    this.#bytes[STATUS] = level ? status | STATUS_INTX : status;
    this.#driveIntx(lines);
  }

  get #command(): number {
    return this.#config.getUint16(COMMAND, true);
  }

  get #msixControl(): number {
    return this.#msixOffset === undefined ? 0 : this.#config.getUint16(this.#msixOffset + 2, true);
  }

  #driveIntx(lines: InterruptLines | undefined): void {
    const level = this.#state[S_INTX_WANTED] === 1 && (this.#command & COMMAND_INTX_OFF) === 0 ? 1 : 0;
    if (lines === undefined || level === this.#state[S_INTX_DRIVEN]) return;
    this.#state[S_INTX_DRIVEN] = level;
    lines.set(intxGsi(this.plan.slot), level === 1);
  }

  #windowAt(offset: number, size: number): Window | undefined {
    for (const window of this.#windows) {
      if (offset >= window.offset && offset + size <= window.end) return window;
    }
    return undefined;
  }

  #base(bar: BarPlan): number | undefined {
    const decoded = bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY;
    if ((this.#command & decoded) === 0) return undefined;
    const address = this.#config.getUint32(BAR0 + 4 * bar.index, true) & -bar.bytes;
    // A BAR at 0 is one that nobody has placed.
    return address === 0 ? undefined : address >>> 0;
  }

  #bases(): Array<number | undefined> {
    return this.bars.map((bar) => this.#base(bar));
  }

  #announce(before: ReadonlyArray<number | undefined>): void {
    for (const [place, bar] of this.bars.entries()) {
      const now = this.#base(bar);
      if (now === before[place]) continue;
      for (const listener of this.#listeners) listener(bar.index, before[place], now);
    }
  }
}
