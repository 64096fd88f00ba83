import type { Calendar } from './calendar';

// Registers of the MC146818A.
const SECONDS = 0x00;
export const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
export const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
export const HOURS_ALARM = 0x05;
const WEEKDAY = 0x06;
const DAY = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
export const REGISTER_A = 0x0a;
export const REGISTER_B = 0x0b;
export const REGISTER_C = 0x0c;
export const REGISTER_D = 0x0d;

export const A_UPDATE_IN_PROGRESS = 0x80;
export const A_32_KHZ_AND_1024_HZ = 0x26;
export const B_SET = 0x80;
export const B_PERIODIC_INTERRUPT = 0x40;
export const B_ALARM_INTERRUPT = 0x20;
export const B_UPDATE_INTERRUPT = 0x10;
const B_BINARY = 0x04;
export const B_24_HOURS = 0x02;
/** The square wave is not there. */
export const B_KEPT = 0xf7;
export const C_INTERRUPT = 0x80;
export const C_PERIODIC = 0x40;
export const C_ALARM = 0x20;
export const C_UPDATE = 0x10;
export const D_VALID = 0x80;
/** Where the century is; also in the FADT. */
export const CENTURY_REGISTER = 0x32;

/** Those that show a running clock. */
export const TIME_REGISTERS: ReadonlySet<number> = new Set([
  SECONDS,
  MINUTES,
  HOURS,
  WEEKDAY,
  DAY,
  MONTH,
  YEAR,
  CENTURY_REGISTER,
]);

const PM = 0x80;
/** Two set bits on top of an alarm's register mean "any" (the data sheet's "don't care" codes). */
const ANY = 0xc0;

/** Puts a time into the registers, in the format that register B (`mode`) asks for. */
export function showTime(registers: Uint8Array, time: Calendar, mode: number): void {
  registers[SECONDS] = encode(time.second, mode);
  registers[MINUTES] = encode(time.minute, mode);
  registers[HOURS] = encodeHour(time.hour, mode);
  registers[WEEKDAY] = encode(time.weekday + 1, mode);
  registers[DAY] = encode(time.day, mode);
  registers[MONTH] = encode(time.month, mode);
  registers[YEAR] = encode(time.year % 100, mode);
  registers[CENTURY_REGISTER] = encode(Math.floor(time.year / 100) % 100, mode);
}

/** The time that the registers tell; whatever a guest wrote there, it is some number. The weekday doesn't count. */
export function readTime(registers: Uint8Array, mode: number): Calendar {
  const at = (index: number): number => decode(registers[index] as number, mode);
  return {
    year: at(CENTURY_REGISTER) * 100 + at(YEAR),
    month: at(MONTH),
    day: at(DAY),
    hour: decodeHour(registers[HOURS] as number, mode),
    minute: at(MINUTES),
    second: at(SECONDS),
    weekday: 0,
  };
}

/** When the alarm goes off; undefined parts are any. */
export function readAlarm(
  registers: Uint8Array,
  mode: number,
): { readonly hour: number | undefined; readonly minute: number | undefined; readonly second: number | undefined } {
  const part = (index: number, as: (value: number, mode: number) => number): number | undefined => {
    const value = registers[index] as number;
    return value >= ANY ? undefined : as(value, mode);
  };
  return {
    hour: part(HOURS_ALARM, decodeHour),
    minute: part(MINUTES_ALARM, decode),
    second: part(SECONDS_ALARM, decode),
  };
}

/** Milliseconds from one periodic interrupt to the next at the rate in register A; undefined: none. */
export function readPeriod(registerA: number): number | undefined {
  const rate = registerA & 0x0f;
  if (rate === 0) return undefined;
  // The first two are those of a slower time base (the data sheet's table 5, 32.768 kHz).
  return (1000 * 2 ** (rate < 3 ? rate + 6 : rate - 1)) / 32_768;
}

function encode(value: number, mode: number): number {
  return (mode & B_BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decode(value: number, mode: number): number {
  return (mode & B_BINARY) !== 0 ? value : (value >> 4) * 10 + (value & 0x0f);
}

function encodeHour(hour: number, mode: number): number {
  if ((mode & B_24_HOURS) !== 0) return encode(hour, mode);
  return encode(hour % 12 === 0 ? 12 : hour % 12, mode) | (hour >= 12 ? PM : 0);
}

function decodeHour(value: number, mode: number): number {
  if ((mode & B_24_HOURS) !== 0) return decode(value, mode);
  return (decode(value & ~PM, mode) % 12) + ((value & PM) !== 0 ? 12 : 0);
}
