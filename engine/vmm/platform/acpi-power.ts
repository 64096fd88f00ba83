import type { InterruptLines, MachineRequests } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';

/** The PM block: 0x400 PM1 status, 0x402 PM1 enable, 0x404 PM1 control, 0x408 timer. HyperKit's ports. */
export const PM_BLOCK_PORT = 0x400;
export const PM_BLOCK_PORTS = 12;
export const PM1_CONTROL_OFFSET = 4;
export const PM_TIMER_OFFSET = 8;
/** The port through which a guest takes ACPI over, and what it writes to do so and to give it back. */
export const SMI_COMMAND_PORT = 0xb2;
export const SMI_ACPI_ENABLE = 0xa0;
export const SMI_ACPI_DISABLE = 0xa1;
/** Interrupt input of ACPI's events, level. */
export const SCI_IRQ = 9;
/** SLP_TYP that means "switched off" (\_S5). HyperKit's. */
export const SLEEP_TYPE_S5 = 5;

/** ACPI 6.4, 4.8.2.1. */
const PM_TIMER_HZ = 3_579_545;
const NANOSECONDS = 1_000_000_000;

// PM1 registers, ACPI 6.4, 4.8.3.
const STATUS_BITS = 0x8731;
const ENABLE_BITS = 0x0721;
const POWER_BUTTON = 0x0100;
const CONTROL_SCI_ENABLE = 0x0001;
const CONTROL_KEPT = 0x1c03;
const CONTROL_SLEEP_ENABLE = 0x2000;
const CONTROL_SLEEP_TYPE_SHIFT = 10;

const S_STATUS = 0;
const S_ENABLE = 1;
const S_CONTROL = 2;
const S_SCI = 3;
const WORDS = 4;

export interface AcpiPowerWires {
  readonly lines: InterruptLines;
  readonly requests: MachineRequests;
  /** Seconds and nanoseconds of a clock that never goes back, the same in every thread (`process.hrtime`). */
  monotonic(): readonly [seconds: number, nanoseconds: number];
}

/** ACPI's fixed hardware: the power button, switching off, the timer (ACPI 6.4, chapter 4.8). */
export class AcpiPower extends ByteRegisters {
  static readonly STATE_BYTES = WORDS * 4;
  /** Port 0xB2. */
  readonly smiCommand: ByteRegisters;
  readonly #state: Int32Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly wires: AcpiPowerWires,
  ) {
    super();
    this.#state = new Int32Array(shared, 0, WORDS);
    this.smiCommand = new SmiCommand((value) => this.#takeOver(value));
  }

  /** Power-on. */
  reset(): void {
    this.#state.fill(0);
    this.wires.lines.set(SCI_IRQ, false);
  }

  /** The guest has taken ACPI over, so it will hear the power button. */
  get acpiEnabled(): boolean {
    return (this.#get(S_CONTROL) & CONTROL_SCI_ENABLE) !== 0;
  }

  /** For the main thread, which holds the board's lock. */
  pressPowerButton(): void {
    this.#state[S_STATUS] = this.#get(S_STATUS) | POWER_BUTTON;
    this.#updateSci();
  }

  override read(offset: number, size: 1 | 2 | 4): number {
    // The timer in one piece: its bytes must belong to one moment.
    if (offset === PM_TIMER_OFFSET && size === 4) return this.#timer();
    return super.read(offset, size);
  }

  protected readByte(offset: number): number {
    const shift = (offset & 1) * 8;
    switch (offset & ~1) {
      case 0:
        return (this.#get(S_STATUS) >> shift) & 0xff;
      case 2:
        return (this.#get(S_ENABLE) >> shift) & 0xff;
      case PM1_CONTROL_OFFSET:
        return (this.#get(S_CONTROL) >> shift) & 0xff;
      case PM_TIMER_OFFSET:
      case PM_TIMER_OFFSET + 2:
        return (this.#timer() >>> ((offset - PM_TIMER_OFFSET) * 8)) & 0xff;
      default:
        return 0xff;
    }
  }

  protected writeByte(offset: number, value: number): void {
    const shift = (offset & 1) * 8;
    const bits = value << shift;
    const others = 0xff00 >> shift;
    switch (offset & ~1) {
      case 0:
        this.#state[S_STATUS] = this.#get(S_STATUS) & ~(bits & STATUS_BITS);
        this.#updateSci();
        break;
      case 2:
        this.#state[S_ENABLE] = (this.#get(S_ENABLE) & others) | (bits & ENABLE_BITS);
        this.#updateSci();
        break;
      case PM1_CONTROL_OFFSET:
        this.#writeControl((this.#get(S_CONTROL) & others) | bits);
        break;
      default:
        break;
    }
  }

  #get(word: number): number {
    return this.#state[word] as number;
  }

  #timer(): number {
    const [seconds, nanoseconds] = this.wires.monotonic();
    const ticks = seconds * PM_TIMER_HZ + Math.floor((nanoseconds * PM_TIMER_HZ) / NANOSECONDS);
    return ticks % 0x1_0000_0000;
  }

  /** SCI_EN is set by the SMI command only (ACPI 6.4, 4.8.3.2.1). */
  #writeControl(value: number): void {
    this.#state[S_CONTROL] = (value & CONTROL_KEPT & ~CONTROL_SCI_ENABLE) | (this.#get(S_CONTROL) & CONTROL_SCI_ENABLE);
    const sleepType = (value >> CONTROL_SLEEP_TYPE_SHIFT) & 7;
    if ((value & CONTROL_SLEEP_ENABLE) !== 0 && sleepType === SLEEP_TYPE_S5) this.wires.requests.powerOff();
  }

  #takeOver(command: number): void {
    if (command === SMI_ACPI_ENABLE) this.#state[S_CONTROL] = this.#get(S_CONTROL) | CONTROL_SCI_ENABLE;
    else if (command === SMI_ACPI_DISABLE) this.#state[S_CONTROL] = this.#get(S_CONTROL) & ~CONTROL_SCI_ENABLE;
    this.#updateSci();
  }

  #updateSci(): void {
    const level = this.acpiEnabled && (this.#get(S_STATUS) & this.#get(S_ENABLE)) !== 0 ? 1 : 0;
    if (level === this.#get(S_SCI)) return;
    this.#state[S_SCI] = level;
    this.wires.lines.set(SCI_IRQ, level === 1);
  }
}

class SmiCommand extends ByteRegisters {
  constructor(private readonly run: (command: number) => void) {
    super();
  }

  protected readByte(): number {
    return 0;
  }

  protected writeByte(offset: number, value: number): void {
    if (offset === 0) this.run(value);
  }
}
