const MULTIBOOT_MAGIC = 0x1bad_b002;
/** Addresses are in the header: the file needs no format. */
const ADDRESSES_ARE_HERE = 1 << 16;
const LOAD_ADDRESS = 0x10_0000;
const HEADER_BYTES = 32;
const HLT = 0xf4;

/** A Multiboot 1 kernel of some machine code, 32 bits, which begins with its first byte. */
export function multibootKernel(...code: readonly (readonly number[])[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const checksum = -(MULTIBOOT_MAGIC + ADDRESSES_ARE_HERE) >>> 0;
  const entry = LOAD_ADDRESS + HEADER_BYTES;
  for (const [index, word] of [MULTIBOOT_MAGIC, ADDRESSES_ARE_HERE, checksum].entries()) {
    header.writeUInt32LE(word, 4 * index);
  }
  // header_addr, load_addr, load_end_addr (all of the file), bss_end_addr (none), entry_addr.
  for (const [index, word] of [LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, entry].entries()) {
    header.writeUInt32LE(word, 12 + 4 * index);
  }
  return Buffer.concat([header, Buffer.from(code.flat()), Buffer.alloc(64, HLT)]);
}

const setPort = (port: number): readonly number[] => [0xba, port & 0xff, port >> 8, 0, 0];

/** out port, value */
export const writeByte = (port: number, value: number): readonly number[] => [...setPort(port), 0xb0, value, 0xee];
export const writeWord = (port: number, value: number): readonly number[] => [
  ...setPort(port),
  ...[0xb8, value & 0xff, value >> 8, 0, 0, 0x66, 0xef],
];
/** Waits until a byte of a port has one of these bits. */
export const awaitBits = (port: number, bits: number): readonly number[] => [
  ...setPort(port),
  0xec,
  0xa8,
  bits,
  0x74,
  0xfb,
];
/** Sends text to COM1. */
export const print = (text: string): readonly number[] =>
  [...Buffer.from(text)].flatMap((byte) => writeByte(0x3f8, byte));
/** Takes a byte from COM1 and sends it back. */
export const echoOne: readonly number[] = [...awaitBits(0x3fd, 1), ...setPort(0x3f8), 0xec, 0xee];
/** ACPI on; PM1a control: SLP_TYP 5 and SLP_EN; the reset register. */
export const ACPI_ON = writeByte(0xb2, 0xa0);
export const POWER_OFF = writeWord(0x404, (5 << 10) | (1 << 13));
export const RESET = writeByte(0xcf9, 0x06);
/** PWRBTN_STS of PM1a status. */
export const AWAIT_BUTTON = awaitBits(0x401, 1);
