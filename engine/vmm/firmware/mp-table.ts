import { intxGsi } from '../pci/intx-wires';
import { SCI_IRQ } from '../platform/acpi-power';
import {
  checksum,
  type FirmwareBoard,
  IO_APIC_ADDRESS,
  IO_APIC_ID,
  interruptingSlots,
  LOCAL_APIC_ADDRESS,
  type MemoryImage,
} from './firmware-board';

export const MP_TABLE_ADDRESS = 0xf_0000;
const FLOATING_POINTER_BYTES = 16;
const HEADER_BYTES = 44;
const SPEC_1_4 = 4;

const ENTRY_PROCESSOR = 0;
const ENTRY_BUS = 1;
const ENTRY_IO_APIC = 2;
const ENTRY_IO_INTERRUPT = 3;
const ENTRY_LOCAL_INTERRUPT = 4;

const BUS_PCI = 0;
const BUS_ISA = 1;
const INTERRUPT_VECTORED = 0;
const INTERRUPT_NMI = 1;
const INTERRUPT_EXTINT = 3;
const AS_BUS = 0x00;
const LEVEL_HIGH = 0x0d;
const LEVEL_LOW = 0x0f;
const ALL_LOCAL_APICS = 0xff;
const APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x11;
const ISA_INTERRUPTS = 16;
/** The second PIC hangs there: no device can. */
const CASCADE = 2;

/** What kernels without ACPI learn CPUs and interrupts from (Intel MultiProcessor Specification 1.4, chapter 4). */
export function buildMpTable(board: FirmwareBoard): MemoryImage {
  const entries = [
    ...Array.from({ length: board.vcpus }, (_, id) => processor(id)),
    Buffer.concat([Buffer.of(ENTRY_BUS, BUS_PCI), Buffer.from('PCI   ')]),
    Buffer.concat([Buffer.of(ENTRY_BUS, BUS_ISA), Buffer.from('ISA   ')]),
    ioApic(),
    ...Array.from({ length: ISA_INTERRUPTS }, (_, irq) => irq)
      .filter((irq) => irq !== CASCADE)
      .map((irq) => ioInterrupt(irq === SCI_IRQ ? LEVEL_HIGH : AS_BUS, BUS_ISA, irq, irq)),
    // The source of a PCI interrupt: slot in bits 2-6, pin in bits 0-1.
    ...interruptingSlots(board).map((slot) => ioInterrupt(LEVEL_LOW, BUS_PCI, slot << 2, intxGsi(slot))),
    Buffer.of(ENTRY_LOCAL_INTERRUPT, INTERRUPT_EXTINT, AS_BUS, 0, BUS_ISA, 0, 0, 0),
    Buffer.of(ENTRY_LOCAL_INTERRUPT, INTERRUPT_NMI, AS_BUS, 0, BUS_ISA, 0, ALL_LOCAL_APICS, 1),
  ];
  const body = Buffer.concat(entries);
  // 0 "PCMP", 4 u16 length, 6 revision, 7 checksum, 8 OEM id, 16 product id, 34 u16 entries, 36 u32 local APICs.
  const table = Buffer.alloc(HEADER_BYTES + body.length);
  table.write('PCMP', 0);
  table.writeUInt16LE(table.length, 4);
  table.writeUInt8(SPEC_1_4, 6);
  table.write('BHyVe   Hypervisor  ', 8);
  table.writeUInt16LE(entries.length, 34);
  table.writeUInt32LE(LOCAL_APIC_ADDRESS, 36);
  body.copy(table, HEADER_BYTES);
  table[7] = checksum(table);
  return {
    address: MP_TABLE_ADDRESS,
    bytes: Buffer.concat([floatingPointer(MP_TABLE_ADDRESS + FLOATING_POINTER_BYTES), table]),
  };
}

/** 0 "_MP_", 4 u32 table, 8 length in 16 bytes, 9 revision, 10 checksum, 11 features (0: the table counts). */
function floatingPointer(table: number): Buffer {
  const bytes = Buffer.alloc(FLOATING_POINTER_BYTES);
  bytes.write('_MP_', 0);
  bytes.writeUInt32LE(table, 4);
  bytes.writeUInt8(1, 8);
  bytes.writeUInt8(SPEC_1_4, 9);
  bytes[10] = checksum(bytes);
  return bytes;
}

/** 0 type, 1 local APIC, 2 its version, 3 flags (1 usable, 2 boots), 4 u32 signature, 8 u32 features, 12 reserved. */
function processor(id: number): Buffer {
  const FAMILY_6 = 0x600;
  const FPU_AND_APIC = 0x201;
  const bytes = Buffer.alloc(20);
  bytes.set([ENTRY_PROCESSOR, id, APIC_VERSION, id === 0 ? 3 : 1]);
  bytes.writeUInt32LE(FAMILY_6, 4);
  bytes.writeUInt32LE(FPU_AND_APIC, 8);
  return bytes;
}

function ioApic(): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.set([ENTRY_IO_APIC, IO_APIC_ID, IO_APIC_VERSION, 1]);
  bytes.writeUInt32LE(IO_APIC_ADDRESS, 4);
  return bytes;
}

function ioInterrupt(flags: number, bus: number, source: number, input: number): Buffer {
  return Buffer.of(ENTRY_IO_INTERRUPT, INTERRUPT_VECTORED, flags, 0, bus, source, IO_APIC_ID, input);
}
