import { CODE_SELECTOR, DATA_SELECTOR, GDT_BYTES } from '../../../engine/vmm/boot/gdt';
import { GDT_ADDRESS } from '../../../engine/vmm/boot/layout';
import { GuestCode } from './guest-code';
import { MULTIBOOT_CODE_ADDRESS } from './guest-images';
import { LOCAL_APIC, REMOTE_CPU_START } from './interrupt-controllers';

/** What a handler does between saving and restoring the registers. */
export type Handler = (code: ProtectedCode) => void;

const IDT = 0x20_0000;
/** Pointer for LIDT, behind the 256 gates. */
const IDT_POINTER = IDT + 256 * 8;
/** Each CPU's stack grows down from here, 64 KiB apart. */
const STACKS = 0x23_0000;
/** Ring 0, 32 bits, closed to interrupts (Intel SDM volume 3, 6.11). */
const INTERRUPT_GATE = 0x8e00;
/** Where the second CPU begins in real mode, and the pointer for its LGDT. */
const START_PAGE = 0x8;
const GDT_POINTER = START_PAGE * 0x1000 + 0x80;
const PM_TIMER_PORT = 0x408;

/** 32-bit variables of the guest, all 0 at first. */
export const VARIABLE = { a: 0x20_1000, b: 0x20_1040, c: 0x20_1080, d: 0x20_10c0 } as const;

/**
 * A Multiboot guest in 32-bit protected mode with interrupt handlers, which says numbers of 32 bits on COM1. Interrupts
 * come only where the code says so: in {@link admit} and {@link sleepUntil}.
 */
export class ProtectedCode extends GuestCode {
  #names = 0;

  /** @param handlers by vector; any other interrupt or exception ends in a triple fault. */
  constructor(handlers: Readonly<Record<number, Handler>> = {}) {
    super(32);
    this.esp(STACKS).jump('main');
    for (const [vector, handle] of Object.entries(handlers)) {
      this.label(`vector ${vector}`).raw(0x60);
      handle(this);
      this.raw(0x61).#returnFromInterrupt();
    }
    this.label('main');
    for (const vector of Object.keys(handlers)) {
      const address = this.addressOf(`vector ${vector}`);
      this.store(IDT + Number(vector) * 8, (CODE_SELECTOR << 16) | (address & 0xffff));
      this.store(IDT + Number(vector) * 8 + 4, ((address & 0xffff_0000) | INTERRUPT_GATE) >>> 0);
    }
    this.store(IDT_POINTER, ((IDT & 0xffff) << 16) | (256 * 8 - 1)).store(IDT_POINTER + 4, IDT >>> 16);
    this.#loadIdt();
  }

  addressOf(label: string): number {
    return MULTIBOOT_CODE_ADDRESS + this.offsetOf(label);
  }

  /**
   * What IRET does without a change of rings: KVM's instruction emulator, which is all that runs a guest on kvm_pvm, has no
   * IRET for protected mode. (An NMI handler that returns so leaves NMIs blocked.)
   */
  #returnFromInterrupt(): this {
    // push dword [esp+8]; popfd; retf 4
    return this.raw(0xff, 0x74, 0x24, 0x08, 0x9d, 0xca, 0x04, 0x00);
  }

  #loadIdt(): this {
    return this.raw(0x0f, 0x01, 0x1d).number(IDT_POINTER, 4);
  }

  #name(what: string): string {
    return `${what} ${this.#names++}`;
  }

  /**
   * Lets in what interrupts are there: STI, two accesses to a port, CLI. A CPU that is interpreted looks for interrupts
   * when it has been outside.
   */
  admit(): this {
    return this.raw(0xfb).in8(0x80).in8(0x80).raw(0xfa);
  }

  /** EAX becomes the variable's value. Unlike `load`, changes nothing else. */
  loadVariable(address: number): this {
    return this.raw(0xa1).number(address, 4);
  }

  storeEax(address: number): this {
    return this.raw(0xa3).number(address, 4);
  }

  increment(address: number): this {
    return this.raw(0xff, 0x05).number(address, 4);
  }

  /** EDX:EAX = time stamp counter. */
  rdtsc(): this {
    return this.raw(0x0f, 0x31);
  }

  /** EDX:EAX = a model-specific register. */
  rdmsr(msr: number): this {
    return this.ecx(msr).raw(0x0f, 0x32);
  }

  /** EDX:EAX into a model-specific register. */
  wrmsr(msr: number): this {
    return this.ecx(msr).raw(0x0f, 0x30);
  }

  say(value: number): this {
    return this.eax(value).printEax();
  }

  /** Says 32 bits at an address. */
  sayAt(address: number): this {
    return this.load(address).printEax();
  }

  /** Says the lower, then the upper half of the time stamp counter. */
  sayTsc(): this {
    return this.rdtsc().raw(0x52).printEax().raw(0x58).printEax();
  }

  /** Says a byte that a port answers. */
  sayPort(port: number): this {
    return this.in8(port).raw(0x0f, 0xb6, 0xc0).printEax();
  }

  sayPmTimer(): this {
    return this.in32(PM_TIMER_PORT).printEax();
  }

  /** Does something so many times. EAX to EDI may change in it, the stack may not. */
  repeat(times: number, body: Handler): this {
    const [again, done] = [this.#name('repeat'), this.#name('repeated')];
    // push ecx; body; pop ecx; dec ecx; jz
    this.ecx(times).label(again).raw(0x51);
    body(this);
    return this.raw(0x59, 0x49).jumpIf(0x74, done).jump(again).label(done);
  }

  /** Sleeps, open to interrupts, until a counter that handlers increment is there. */
  sleepUntil(address: number, atLeast: number): this {
    const [again, done] = [this.#name('sleep'), this.#name('awake')];
    this.label(again).raw(0xfa).#compare(address, atLeast).jumpIf(0x73, done);
    return this.raw(0xfb, 0xf4).jump(again).label(done);
  }

  /** Goes round until another CPU has brought a variable there. */
  spinUntil(address: number, atLeast: number): this {
    const again = this.#name('spin');
    return this.label(again).raw(0xf3, 0x90).#compare(address, atLeast).jumpIf(0x72, again);
  }

  /** cmp dword [address], value */
  #compare(address: number, value: number): this {
    return this.raw(0x81, 0x3d).number(address, 4).number(value, 4);
  }

  /** Goes round until the ACPI timer, of 3.58 MHz, is so much further. Changes ESI. */
  spinFor(ticks: number): this {
    const again = this.#name('wait');
    this.in32(PM_TIMER_PORT).raw(0x89, 0xc6);
    // in eax, dx; sub eax, esi; cmp eax, ticks
    return this.label(again).raw(0xed, 0x29, 0xf0, 0x3d).number(ticks, 4).jumpIf(0x72, again);
  }

  /** Starts the CPU whose APIC id is 1, which does this and halts. */
  startSecond(body: Handler): this {
    this.jump('second starts').label('second');
    // mov ax, data; mov ds, ax; mov es, ax; mov ss, ax
    this.ax(DATA_SELECTOR)
      .raw(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0)
      .esp(STACKS - 0x1_0000)
      .#loadIdt();
    body(this);
    this.halt().label('second starts');
    this.store(GDT_POINTER, ((GDT_ADDRESS & 0xffff) << 16) | (GDT_BYTES - 1));
    this.store(GDT_POINTER + 4, GDT_ADDRESS >>> 16);
    for (const [index, dword] of this.#startPage().entries()) this.store(START_PAGE * 0x1000 + index * 4, dword);
    this.store(LOCAL_APIC.commandHigh, 1 << 24);
    for (const command of REMOTE_CPU_START) this.store(LOCAL_APIC.command, command | START_PAGE);
    return this;
  }

  /** Real mode at the start page: into protected mode, to the label `second`. */
  #startPage(): Uint32Array {
    const code = new GuestCode(16).ebx(GDT_POINTER);
    // mov ds, 0 through ax; o32 lgdt [ebx]; mov eax, cr0; or al, 1; mov cr0, eax; jmp far o32 selector:second
    code.raw(0x31, 0xc0, 0x8e, 0xd8, 0x67, 0x66, 0x0f, 0x01, 0x13, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0);
    const bytes = code.raw(0x66, 0xea).number(this.addressOf('second'), 4).number(CODE_SELECTOR, 2).build();
    const dwords = new Uint32Array(Math.ceil(bytes.length / 4));
    new Uint8Array(dwords.buffer).set(bytes);
    return dwords;
  }
}
