import type { GuestCode } from './guest-code';

/** Registers of the local APIC, in memory (Intel SDM volume 3, table 11-1). */
export const LOCAL_APIC = {
  id: 0xfee0_0020,
  version: 0xfee0_0030,
  taskPriority: 0xfee0_0080,
  processorPriority: 0xfee0_00a0,
  endOfInterrupt: 0xfee0_00b0,
  spurious: 0xfee0_00f0,
  inService: 0xfee0_0100,
  requested: 0xfee0_0200,
  command: 0xfee0_0300,
  commandHigh: 0xfee0_0310,
  timer: 0xfee0_0320,
  lint0: 0xfee0_0350,
  lint1: 0xfee0_0360,
  timerStart: 0xfee0_0380,
  timerNow: 0xfee0_0390,
  timerDivider: 0xfee0_03e0,
} as const;

/** The 32 bits of a 256-bit register (in service, requested) in which a vector's bit is. */
export function vectorWord(register: number, vector: number): number {
  return register + (vector >> 5) * 0x10;
}

export function vectorBit(vector: number): number {
  return (1 << (vector & 31)) >>> 0;
}

/** In the local vector table and in redirection entries. */
export const MASKED = 0x1_0000;
export const DELIVER_NMI = 4 << 8;
export const DELIVER_EXTINT = 7 << 8;
export const TIMER_PERIODIC = 1 << 17;
export const TIMER_TSC_DEADLINE = 2 << 17;
/** The timer's divider: none. */
export const DIVIDE_BY_1 = 0xb;
/** In the spurious vector register; its vector is 0xFF. */
export const APIC_ON = 0x1ff;
/** In the command register. */
export const TO_SELF = 0x4_0000;
export const TO_OTHERS = 0xc_0000;
const ASSERT = 0x4000;
/** INIT, then start-up with the number of the page in its lowest byte. */
export const REMOTE_CPU_START = [0x500 | ASSERT, 0x600 | ASSERT] as const;

/** The I/O APIC's window (82093AA data sheet): a register's number, then its value. */
export const IO_APIC = { select: 0xfec0_0000, window: 0xfec0_0010, version: 1, redirection: 0x10 } as const;
/** In the lower half of a redirection entry. */
export const LEVEL = 0x8000;
export const REMOTE_IRR = 0x4000;

/** Writes a redirection entry, which leads to the CPU with APIC id 0. */
export function redirect<Code extends GuestCode>(code: Code, input: number, low: number): Code {
  const register = IO_APIC.redirection + input * 2;
  code.store(IO_APIC.select, register + 1).store(IO_APIC.window, 0);
  return code.store(IO_APIC.select, register).store(IO_APIC.window, low);
}

/** EAX = the lower half of a redirection entry. Changes EBX. */
export function loadRedirection<Code extends GuestCode>(code: Code, input: number): Code {
  return code.store(IO_APIC.select, IO_APIC.redirection + input * 2).load(IO_APIC.window);
}

/** Ports of the two 8259A, by the names of its data sheet's addresses. */
export const PIC = { first: 0x20, firstMask: 0x21, second: 0xa0, secondMask: 0xa1 } as const;
export const PIC_END_OF_INTERRUPT = 0x20;
export const PIC_READ_REQUESTED = 0x0a;
export const PIC_READ_IN_SERVICE = 0x0b;
export const PIC_POLL = 0x0c;

/** Both PICs: their vectors begin at `first` and `second`, and only the inputs of `open` get through. */
export function setUpPics<Code extends GuestCode>(
  code: Code,
  { first, second, open }: { readonly first: number; readonly second: number; readonly open: readonly number[] },
): Code {
  const mask = open.reduce((bits, input) => bits & ~(1 << input), open.some((input) => input > 7) ? 0xfffb : 0xffff);
  const words = [
    [0x11, 0x11], // edges, two of them, and a fourth word
    [first, second],
    [0x04, 0x02], // the second is at the first's input 2
    [0x01, 0x01], // an 8086's
    [mask & 0xff, mask >> 8],
  ] as const;
  for (const [index, [one, other]] of words.entries()) {
    code.out8(index === 0 ? PIC.first : PIC.firstMask, one).out8(index === 0 ? PIC.second : PIC.secondMask, other);
  }
  return code;
}

/** The local APIC takes interrupts; nothing else of it is changed. */
export function enableApic<Code extends GuestCode>(code: Code): Code {
  return code.store(LOCAL_APIC.spurious, APIC_ON);
}

/** The end of an APIC's interrupt. */
export function endInterrupt<Code extends GuestCode>(code: Code): Code {
  return code.store(LOCAL_APIC.endOfInterrupt, 0);
}

/** Has the local APIC send an interrupt. */
export function sendInterrupt<Code extends GuestCode>(code: Code, command: number): Code {
  return code.store(LOCAL_APIC.command, command);
}

/** No input of the PICs, which come through LINT0, is open: those of the I/O APIC are the same. */
export function closePics<Code extends GuestCode>(code: Code): Code {
  return setUpPics(code, { first: 0x20, second: 0x28, open: [] });
}

/** Inputs of the I/O APIC and of the PICs. */
export const INPUT = { pit: 0, com1: 4, rtc: 8, power: 9 } as const;

/** COM1 interrupts when something was typed (IER), and its interrupt gets through (MCR: DTR, RTS, OUT2). */
export function listenToCom1<Code extends GuestCode>(code: Code): Code {
  return code.out8(0x3f9, 0x01).out8(0x3fc, 0x0b);
}
