import {
  PM_BLOCK_PORT,
  PM_TIMER_OFFSET,
  PM1_CONTROL_OFFSET,
  SCI_IRQ,
  SMI_ACPI_DISABLE,
  SMI_ACPI_ENABLE,
  SMI_COMMAND_PORT,
} from '../platform/acpi-power';
import { HARD_RESET, RESET_CONTROL_PORT } from '../platform/reset-control';
import { CENTURY_REGISTER } from '../platform/rtc-registers';
import { dsdtBody } from './dsdt';
import {
  checksum,
  type FirmwareBoard,
  IO_APIC_ADDRESS,
  IO_APIC_ID,
  LOCAL_APIC_ADDRESS,
  type MemoryImage,
  OEM_ID,
} from './firmware-board';

/** Where guests that scan for it find the RSDP. HyperKit's place. */
export const RSDP_ADDRESS = 0xf_2400;

const TABLE_ALIGNMENT = 64;

/** Tables by signature, and where each is. */
export interface AcpiTables {
  readonly images: readonly MemoryImage[];
  readonly byName: ReadonlyMap<string, MemoryImage>;
}

/**
 * ACPI's description of the board (ACPI 6.4, chapter 5): legacy hardware, so with PIC, timer and a fixed power button.
 * There are no tables for what isn't there: no HPET, no memory-mapped configuration space.
 */
export function buildAcpiTables(board: FirmwareBoard): AcpiTables {
  const byName = new Map<string, MemoryImage>();
  let next = RSDP_ADDRESS;
  const place = (name: string, bytes: Uint8Array): number => {
    const address = next;
    byName.set(name, { address, bytes });
    next = Math.ceil((address + bytes.length) / TABLE_ALIGNMENT) * TABLE_ALIGNMENT;
    return address;
  };
  // The pointers are known last, the place of the RSDP first.
  place('RSDP', rsdp(0, 0));
  const facsAddress = place('FACS', facs());
  const dsdtAddress = place('DSDT', table('DSDT', 2, dsdtBody(board)));
  const tables = [place('FACP', fadt(facsAddress, dsdtAddress)), place('APIC', madt(board.vcpus))];
  const rsdtAddress = place('RSDT', table('RSDT', 1, pointers(tables, 4)));
  const xsdtAddress = place('XSDT', table('XSDT', 1, pointers(tables, 8)));
  byName.set('RSDP', { address: RSDP_ADDRESS, bytes: rsdp(rsdtAddress, xsdtAddress) });
  return { images: [...byName.values()], byName };
}

/** 0 "RSD PTR ", 8 checksum of 20 bytes, 9 OEM id, 15 revision, 16 u32 RSDT, 20 u32 length, 24 u64 XSDT, 32 checksum. */
function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = Buffer.alloc(36);
  bytes.write('RSD PTR ', 0);
  bytes.write(OEM_ID, 9);
  bytes.writeUInt8(2, 15);
  bytes.writeUInt32LE(rsdt, 16);
  bytes.writeUInt32LE(bytes.length, 20);
  bytes.writeUInt32LE(xsdt, 24);
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}

/**
 * 0 signature, 4 u32 length, 8 revision, 9 checksum, 10 OEM id, 16 OEM table id, 24 u32 OEM revision, 28 creator id,
 * 32 u32 creator revision, 36 body.
 */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(36 + body.length);
  bytes.write(signature, 0);
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.writeUInt8(revision, 8);
  bytes.write(OEM_ID, 10);
  bytes.write(`BV${signature}`.padEnd(8), 16);
  bytes.writeUInt32LE(1, 24);
  bytes.write('HKIT', 28);
  bytes.writeUInt32LE(1, 32);
  bytes.set(body, 36);
  bytes[9] = checksum(bytes);
  return bytes;
}

function pointers(addresses: readonly number[], size: number): Uint8Array {
  const body = Buffer.alloc(addresses.length * size);
  for (const [index, address] of addresses.entries()) body.writeUInt32LE(address, index * size);
  return body;
}

/** 0 "FACS", 4 u32 length, 32 version. The rest is for sleeping, which this board doesn't. */
function facs(): Uint8Array {
  const bytes = Buffer.alloc(64);
  bytes.write('FACS', 0);
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.writeUInt8(1, 32);
  return bytes;
}

const FADT_BYTES = 276;
const FADT_REVISION = 6;
const BOOT_LEGACY_DEVICES = 1 << 0;
const BOOT_NO_VGA = 1 << 2;
const BOOT_NO_ASPM = 1 << 4;
const FLAG_WBINVD = 1 << 0;
const FLAG_PROC_C1 = 1 << 2;
const FLAG_NO_SLEEP_BUTTON = 1 << 5;
const FLAG_NO_RTC_WAKE = 1 << 6;
const FLAG_TIMER_32_BITS = 1 << 8;
const FLAG_RESET_REGISTER = 1 << 10;
const FLAG_HEADLESS = 1 << 12;

/**
 * Offsets: ACPI 6.4, table 5.9. The boot flags do not name the keyboard controller: no keyboard is behind it, and a
 * kernel that looks for one loses a second. The power button is a fixed one: its flag (bit 4) says so by being 0.
 */
function fadt(facsAddress: number, dsdtAddress: number): Uint8Array {
  const HEADER = 36;
  const body = Buffer.alloc(FADT_BYTES - HEADER);
  const u8 = (at: number, value: number) => body.writeUInt8(value, at - HEADER);
  const u16 = (at: number, value: number) => body.writeUInt16LE(value, at - HEADER);
  const u32 = (at: number, value: number) => body.writeUInt32LE(value, at - HEADER);
  // A generic address: 0 space (1 is I/O), 1 width, 2 bit, 3 access (1 byte, 2 word, 3 double word), 4 u64 address.
  const port = (at: number, address: number, width: number, access: number) => {
    u8(at, 1);
    u8(at + 1, width);
    u8(at + 3, access);
    u32(at + 4, address);
  };
  const control = PM_BLOCK_PORT + PM1_CONTROL_OFFSET;
  const timer = PM_BLOCK_PORT + PM_TIMER_OFFSET;
  u32(36, facsAddress);
  u32(40, dsdtAddress);
  u16(46, SCI_IRQ);
  u32(48, SMI_COMMAND_PORT);
  u8(52, SMI_ACPI_ENABLE);
  u8(53, SMI_ACPI_DISABLE);
  u32(56, PM_BLOCK_PORT);
  u32(64, control);
  u32(76, timer);
  u8(88, 4);
  u8(89, 2);
  u8(91, 4);
  // Latencies that mean "no C2, no C3".
  u16(96, 101);
  u16(98, 1001);
  u8(108, CENTURY_REGISTER);
  u16(109, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM);
  u32(
    112,
    FLAG_WBINVD |
      FLAG_PROC_C1 |
      FLAG_NO_SLEEP_BUTTON |
      FLAG_NO_RTC_WAKE |
      FLAG_TIMER_32_BITS |
      FLAG_RESET_REGISTER |
      FLAG_HEADLESS,
  );
  port(116, RESET_CONTROL_PORT, 8, 1);
  u8(128, HARD_RESET);
  u32(140, dsdtAddress);
  port(148, PM_BLOCK_PORT, 32, 2);
  port(172, control, 16, 2);
  port(208, timer, 32, 3);
  return table('FACP', FADT_REVISION, body);
}

/** Offsets: ACPI 6.4, 5.2.12. Timer and ISA interrupts have the inputs of their numbers; the SCI is level, active high. */
function madt(vcpus: number): Uint8Array {
  const PCAT_COMPATIBLE = 1;
  const ENABLED = 1;
  const LEVEL_HIGH = 0x0d;
  const ALL_PROCESSORS = 0xff;
  const header = Buffer.alloc(8);
  header.writeUInt32LE(LOCAL_APIC_ADDRESS, 0);
  header.writeUInt32LE(PCAT_COMPATIBLE, 4);
  const processors = Array.from({ length: vcpus }, (_, id) => Buffer.of(0, 8, id, id, ENABLED, 0, 0, 0));
  const ioApic = Buffer.alloc(12);
  ioApic.set([1, 12, IO_APIC_ID]);
  ioApic.writeUInt32LE(IO_APIC_ADDRESS, 4);
  const sci = Buffer.of(2, 10, 0, SCI_IRQ, SCI_IRQ, 0, 0, 0, LEVEL_HIGH, 0);
  const nmi = Buffer.of(4, 6, ALL_PROCESSORS, 0, 0, 1);
  return table('APIC', 3, Buffer.concat([header, ...processors, ioApic, sci, nmi]));
}
