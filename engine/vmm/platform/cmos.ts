import type { InterruptLines } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';
import { nextAlarm, readCalendar, toMilliseconds } from './calendar';
import {
  A_32_KHZ_AND_1024_HZ,
  A_UPDATE_IN_PROGRESS,
  B_24_HOURS,
  B_ALARM_INTERRUPT,
  B_KEPT,
  B_PERIODIC_INTERRUPT,
  B_SET,
  B_UPDATE_INTERRUPT,
  C_ALARM,
  C_INTERRUPT,
  C_PERIODIC,
  C_UPDATE,
  D_VALID,
  HOURS_ALARM,
  MINUTES_ALARM,
  REGISTER_A,
  REGISTER_B,
  REGISTER_C,
  REGISTER_D,
  readAlarm,
  readPeriod,
  readTime,
  SECONDS_ALARM,
  showTime,
  TIME_REGISTERS,
} from './rtc-registers';

/** Port 0x70 selects, 0x71 is the selected byte. */
export const CMOS_PORT = 0x70;
export const CMOS_PORTS = 2;
export const RTC_IRQ = 8;

// Sizes of RAM, as a PC's BIOS leaves them.
const BASE_KIB = 0x15;
const ABOVE_1_MIB_IN_KIB = [0x17, 0x30] as const;
const ABOVE_16_MIB_IN_64_KIB = 0x34;
const ABOVE_4_GIB_IN_64_KIB = 0x5b;

const CMOS_BYTES = 128;
const S_INDEX = CMOS_BYTES;
const S_FLAGS = CMOS_BYTES + 1;
const S_LINE = CMOS_BYTES + 2;
const NUMBERS = 136;
const N_OFFSET_MS = 0;
const N_FLAGS_UNTIL = 1;

export interface CmosWires {
  readonly lines: InterruptLines;
  /** Milliseconds since 1970, UTC. */
  clock(): number;
  /** The guest reads the host's local time. */
  readonly local: boolean;
  readonly lowMemoryBytes: number;
  readonly highMemoryBytes: number;
  /** Call {@link CmosRtc.tick} soon, from the main thread. */
  alarmChanged(): void;
}

/**
 * A PC's real-time clock (MC146818A) with 128 bytes of memory. The time is the host's, plus what the guest set it apart.
 * "Update in progress" holds during the last millisecond of each second, so that whoever saw it off has a millisecond
 * to read.
 */
export class CmosRtc extends ByteRegisters {
  static readonly STATE_BYTES = NUMBERS + 16;
  readonly #bytes: Uint8Array;
  readonly #numbers: Float64Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly wires: CmosWires,
  ) {
    super();
    this.#bytes = new Uint8Array(shared, 0, NUMBERS);
    this.#numbers = new Float64Array(shared, NUMBERS, 2);
  }

  /** Power-on. */
  reset(): void {
    const { lowMemoryBytes, highMemoryBytes } = this.wires;
    this.#bytes.fill(0);
    this.#bytes[REGISTER_A] = A_32_KHZ_AND_1024_HZ;
    this.#bytes[REGISTER_B] = B_24_HOURS;
    this.#bytes[REGISTER_D] = D_VALID;
    this.#putSize(BASE_KIB, 640, 2);
    for (const at of ABOVE_1_MIB_IN_KIB) this.#putSize(at, (lowMemoryBytes - 0x10_0000) / 1024, 2);
    this.#putSize(ABOVE_16_MIB_IN_64_KIB, (lowMemoryBytes - 0x100_0000) / 0x1_0000, 2);
    this.#putSize(ABOVE_4_GIB_IN_64_KIB, highMemoryBytes / 0x1_0000, 3);
    this.#numbers[N_OFFSET_MS] = 0;
    this.#numbers[N_FLAGS_UNTIL] = this.#now();
    this.wires.lines.set(RTC_IRQ, false);
  }

  /**
   * Raises what is due. For the main thread, which holds the board's lock. Answers after how many milliseconds to call
   * again; undefined: not before `alarmChanged`.
   */
  tick(): number | undefined {
    this.#collectFlags();
    const enabled = this.#get(REGISTER_B);
    const now = this.#now();
    const due: number[] = [];
    const period = readPeriod(this.#get(REGISTER_A));
    if ((enabled & B_PERIODIC_INTERRUPT) !== 0 && period !== undefined) due.push(untilMultiple(now, period));
    if ((enabled & B_SET) === 0) {
      if ((enabled & B_UPDATE_INTERRUPT) !== 0) due.push(untilMultiple(now, 1000));
      const alarm = (enabled & B_ALARM_INTERRUPT) !== 0 ? this.#nextAlarm(now) : undefined;
      if (alarm !== undefined) due.push(alarm - now);
    }
    return due.length > 0 ? Math.min(...due) : undefined;
  }

  protected readByte(offset: number): number {
    const index = this.#get(S_INDEX);
    if (offset !== 1) return 0xff;
    if (TIME_REGISTERS.has(index) && (this.#get(REGISTER_B) & B_SET) === 0) this.#latch();
    switch (index) {
      case REGISTER_A:
        return this.#get(REGISTER_A) | this.#updateInProgress();
      case REGISTER_C:
        return this.#takeFlags();
      default:
        return this.#get(index);
    }
  }

  protected writeByte(offset: number, value: number): void {
    const index = this.#get(S_INDEX);
    if (offset === 0) {
      // Bit 7 masks NMIs, which nobody sends.
      this.#bytes[S_INDEX] = value & 0x7f;
      return;
    }
    if (offset !== 1) return;
    if (TIME_REGISTERS.has(index)) {
      this.#writeTime(index, value);
      return;
    }
    switch (index) {
      case SECONDS_ALARM:
      case MINUTES_ALARM:
      case HOURS_ALARM:
        this.#collectFlags();
        this.#bytes[index] = value;
        this.#announce();
        break;
      case REGISTER_A:
        this.#collectFlags();
        this.#bytes[REGISTER_A] = value & ~A_UPDATE_IN_PROGRESS;
        this.#announce();
        break;
      case REGISTER_B:
        this.#writeControl(value & B_KEPT);
        break;
      case REGISTER_C:
      case REGISTER_D:
        break;
      default:
        this.#bytes[index] = value;
    }
  }

  #get(index: number): number {
    return this.#bytes[index] as number;
  }

  #putSize(at: number, units: number, bytes: number): void {
    let rest = Math.max(0, Math.min(Math.floor(units), 2 ** (8 * bytes) - 1));
    for (let index = 0; index < bytes; index++) {
      this.#bytes[at + index] = rest & 0xff;
      rest = Math.floor(rest / 256);
    }
  }

  /** The guest's wall clock, as if it were UTC. */
  #now(): number {
    return this.#hostTime() + (this.#numbers[N_OFFSET_MS] as number);
  }

  #hostTime(): number {
    const utc = this.wires.clock();
    return this.wires.local ? utc - new Date(utc).getTimezoneOffset() * 60_000 : utc;
  }

  #updateInProgress(): number {
    if ((this.#get(REGISTER_B) & B_SET) !== 0) return 0;
    const millisecond = ((Math.floor(this.#now()) % 1000) + 1000) % 1000;
    return millisecond === 999 ? A_UPDATE_IN_PROGRESS : 0;
  }

  /** Puts the running time into the registers. */
  #latch(): void {
    showTime(this.#bytes, readCalendar(this.#now()), this.#get(REGISTER_B));
  }

  #writeTime(index: number, value: number): void {
    if ((this.#get(REGISTER_B) & B_SET) !== 0) {
      this.#bytes[index] = value;
      return;
    }
    this.#collectFlags();
    this.#latch();
    this.#bytes[index] = value;
    this.#adopt();
  }

  /** The registers become the time. */
  #adopt(): void {
    this.#numbers[N_OFFSET_MS] = toMilliseconds(readTime(this.#bytes, this.#get(REGISTER_B))) - this.#hostTime();
    this.#numbers[N_FLAGS_UNTIL] = this.#now();
    this.#announce();
  }

  #writeControl(value: number): void {
    this.#collectFlags();
    const before = this.#get(REGISTER_B);
    if ((value & ~before & B_SET) !== 0) this.#latch();
    this.#bytes[REGISTER_B] = value;
    if ((before & ~value & B_SET) !== 0) this.#adopt();
    else this.#announce();
    this.#updateLine();
  }

  #announce(): void {
    const mode = this.#get(REGISTER_B);
    const counts =
      (mode & B_SET) === 0 ? B_PERIODIC_INTERRUPT | B_ALARM_INTERRUPT | B_UPDATE_INTERRUPT : B_PERIODIC_INTERRUPT;
    if ((mode & counts) !== 0) this.wires.alarmChanged();
  }

  #nextAlarm(after: number): number | undefined {
    const { hour, minute, second } = readAlarm(this.#bytes, this.#get(REGISTER_B));
    return nextAlarm(after, hour, minute, second);
  }

  /** What happened since we last looked goes into register C. */
  #collectFlags(): void {
    const now = this.#now();
    const since = this.#numbers[N_FLAGS_UNTIL] as number;
    const period = readPeriod(this.#get(REGISTER_A));
    if (period !== undefined && Math.floor(now / period) > Math.floor(since / period)) {
      this.#bytes[S_FLAGS] = this.#get(S_FLAGS) | C_PERIODIC;
    }
    if ((this.#get(REGISTER_B) & B_SET) === 0 && now > since) {
      if (Math.floor(now / 1000) > Math.floor(since / 1000)) {
        this.#bytes[S_FLAGS] = this.#get(S_FLAGS) | C_UPDATE;
        const alarm = this.#nextAlarm(since);
        if (alarm !== undefined && alarm <= now) this.#bytes[S_FLAGS] = this.#get(S_FLAGS) | C_ALARM;
      }
    }
    this.#numbers[N_FLAGS_UNTIL] = now;
    this.#updateLine();
  }

  #takeFlags(): number {
    this.#collectFlags();
    const flags = this.#get(S_FLAGS);
    const interrupt = (flags & this.#get(REGISTER_B)) !== 0 ? C_INTERRUPT : 0;
    this.#bytes[S_FLAGS] = 0;
    this.#updateLine();
    return flags | interrupt;
  }

  #updateLine(): void {
    const level = (this.#get(S_FLAGS) & this.#get(REGISTER_B)) !== 0 ? 1 : 0;
    if (level === this.#get(S_LINE)) return;
    this.#bytes[S_LINE] = level;
    this.wires.lines.set(RTC_IRQ, level === 1);
  }
}

function untilMultiple(time: number, unit: number): number {
  return unit - (((time % unit) + unit) % unit);
}
