/** A position in the code that jumps lead to. */
export type Label = string;

const BX = 3;

/**
 * As much of an x86 assembler as hand-made guests need. `bits` is what the CPU is in when it runs the code; it decides which
 * instructions need an operand-size prefix. Unless an instruction's name says otherwise it uses AL, AX or EAX, and DX for ports.
 */
export class GuestCode {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<Label, number>();
  readonly #jumps: { readonly at: number; readonly size: 1 | 4 | 2; readonly label: Label }[] = [];

  constructor(readonly bits: 16 | 32 | 64) {}

  raw(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  label(name: Label): this {
    this.#labels.set(name, this.#bytes.length);
    return this;
  }

  /** 0x66 in front of an instruction with 16-bit operands, unless these are the usual ones. */
  #operands(bits: 16 | 32): this {
    return (this.bits === 16) === (bits === 16) ? this : this.raw(0x66);
  }

  /** A number in the code, the lowest byte first. */
  number(value: number, bytes: 1 | 2 | 4): this {
    for (let byte = 0; byte < bytes; byte++) this.raw(Math.floor(value / 2 ** (8 * byte)) & 0xff);
    return this;
  }

  al(value: number): this {
    return this.raw(0xb0, value);
  }

  ax(value: number): this {
    return this.#operands(16).raw(0xb8).number(value, 2);
  }

  eax(value: number): this {
    return this.#operands(32).raw(0xb8).number(value, 4);
  }

  dx(value: number): this {
    return this.#operands(16).raw(0xba).number(value, 2);
  }

  /** In 64-bit mode the upper half becomes 0. */
  ebx(value: number): this {
    return this.#operands(32)
      .raw(0xb8 + BX)
      .number(value, 4);
  }

  ecx(value: number): this {
    return this.#operands(32).raw(0xb9).number(value, 4);
  }

  esi(value: number): this {
    return this.#operands(32).raw(0xbe).number(value, 4);
  }

  edi(value: number): this {
    return this.#operands(32).raw(0xbf).number(value, 4);
  }

  esp(value: number): this {
    return this.#operands(32).raw(0xbc).number(value, 4);
  }

  /** Writes a byte to a port. */
  out8(port: number, value: number): this {
    return this.dx(port).al(value).raw(0xee);
  }

  out16(port: number, value: number): this {
    return this.dx(port).ax(value).#operands(16).raw(0xef);
  }

  out32(port: number, value: number): this {
    return this.dx(port).eax(value).#operands(32).raw(0xef);
  }

  in8(port: number): this {
    return this.dx(port).raw(0xec);
  }

  in16(port: number): this {
    return this.dx(port).#operands(16).raw(0xed);
  }

  in32(port: number): this {
    return this.dx(port).#operands(32).raw(0xed);
  }

  /** Sends text to COM1. */
  print(text: string): this {
    for (const character of Buffer.from(text, 'latin1')) this.out8(0x3f8, character);
    return this;
  }

  /** Sends AL to COM1. */
  printAl(): this {
    return this.dx(0x3f8).raw(0xee);
  }

  /** Sends the four bytes of EAX to COM1, the lowest first. */
  printEax(): this {
    for (let byte = 0; byte < 4; byte++) this.printAl().#operands(32).raw(0xc1, 0xe8, 8);
    return this;
  }

  /** EAX = 32 bits at an address. Not in real mode. */
  load(address: number): this {
    return this.ebx(address).raw(0x8b, 0x03);
  }

  /** 32 bits to an address. Not in real mode. */
  store(address: number, value: number): this {
    return this.ebx(address).raw(0xc7, 0x03).number(value, 4);
  }

  jump(label: Label): this {
    this.raw(0xe9);
    const size = this.bits === 16 ? 2 : 4;
    this.#jumps.push({ at: this.#bytes.length, size, label });
    return this.number(0, size);
  }

  /** `code` is the first byte of a short conditional jump: 0x72 below, 0x73 not below, 0x74 zero, 0x75 not zero. */
  jumpIf(code: 0x72 | 0x73 | 0x74 | 0x75, label: Label): this {
    this.raw(code);
    this.#jumps.push({ at: this.#bytes.length, size: 1, label });
    return this.raw(0);
  }

  /** ACPI's S5, then nothing any more. */
  powerOff(): this {
    return this.out16(0x404, (5 << 10) | (1 << 13)).halt();
  }

  /** For good. */
  halt(): this {
    const here = `halt ${this.#bytes.length}`;
    return this.label(here).raw(0xfa, 0xf4).jump(here);
  }

  /** Where a label is, counted from the start. */
  offsetOf(label: Label): number {
    const offset = this.#labels.get(label);
    if (offset === undefined) throw new Error(`there is no label ${label}`);
    return offset;
  }

  build(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, size, label } of this.#jumps) {
      const distance = this.offsetOf(label) - (at + size);
      if (size === 1) view.setInt8(at, distance);
      else if (size === 2) view.setInt16(at, distance, true);
      else view.setInt32(at, distance, true);
    }
    return bytes;
  }
}
