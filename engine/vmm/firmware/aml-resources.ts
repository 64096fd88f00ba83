import { type Aml, buffer, join, littleEndian } from './aml';

// Resource descriptors: ACPI 6.4, 6.4.
const IRQ_WITHOUT_FLAGS = 0x22;
const IRQ_WITH_FLAGS = 0x23;
const IO_PORT = 0x47;
const END_TAG = 0x79;
const DWORD_ADDRESS_SPACE = 0x87;
const WORD_ADDRESS_SPACE = 0x88;

const IO_DECODES_16_BITS = 1;
const IRQ_LEVEL_LOW_SHARED = 0x18;
const SPACE_MEMORY = 0;
const SPACE_IO = 1;
const SPACE_BUS = 2;
/** Minimum and maximum are fixed; what is inside is passed on to the bus. */
const SPACE_FIXED = 0x0c;
const MEMORY_READ_WRITE = 1;
const IO_ENTIRE_RANGE = 3;

/** Where the interrupts' bits are in the two IRQ descriptors. */
export const IRQ_MASK_OFFSET = 1;

export function resourceTemplate(...resources: readonly Aml[]): Aml {
  return buffer(join(...resources, [END_TAG, 0]));
}

export function ioPorts(first: number, count: number): Aml {
  return join([IO_PORT, IO_DECODES_16_BITS], littleEndian(first, 2), littleEndian(first, 2), [1, count]);
}

/** Edge, active high: interrupts of the ISA bus. */
export function isaInterrupt(irq: number): Aml {
  return join([IRQ_WITHOUT_FLAGS], littleEndian(1 << irq, 2));
}

/** Interrupts of the PIC that a PCI wire may have. */
export function pciInterrupts(irqs: readonly number[]): Aml {
  const mask = irqs.reduce((all, irq) => all | (1 << irq), 0);
  return join([IRQ_WITH_FLAGS], littleEndian(mask, 2), [IRQ_LEVEL_LOW_SHARED]);
}

export function busNumbers(first: number, last: number): Aml {
  return wordSpace(SPACE_BUS, 0, first, last);
}

export function ioWindow(first: number, last: number): Aml {
  return wordSpace(SPACE_IO, IO_ENTIRE_RANGE, first, last);
}

export function memoryWindow(first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap((field) => littleEndian(field, 4));
  return join([DWORD_ADDRESS_SPACE], littleEndian(23, 2), [SPACE_MEMORY, SPACE_FIXED, MEMORY_READ_WRITE], fields);
}

function wordSpace(type: number, flags: number, first: number, last: number): Aml {
  const fields = [0, first, last, 0, last - first + 1].flatMap((field) => littleEndian(field, 2));
  return join([WORD_ADDRESS_SPACE], littleEndian(13, 2), [type, SPACE_FIXED, flags], fields);
}
