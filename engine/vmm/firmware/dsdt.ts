import { intxGsi, PIRQ_DISABLED } from '../pci/intx-wires';
import { PIRQ_REGISTERS } from '../pci/known-functions';
import { PCI_CONFIG_PORT, PCI_CONFIG_PORTS, PCI_MEMORY_WINDOW } from '../pci/pci-bus';
import { PM_BLOCK_PORT, PM_BLOCK_PORTS, SLEEP_TYPE_S5, SMI_COMMAND_PORT } from '../platform/acpi-power';
import { CMOS_PORT, CMOS_PORTS, RTC_IRQ } from '../platform/cmos';
import { COM1, COM2, UART_PORTS } from '../platform/uart-16550';
import * as aml from './aml';
import {
  busNumbers,
  IRQ_MASK_OFFSET,
  ioPorts,
  ioWindow,
  isaInterrupt,
  memoryWindow,
  pciInterrupts,
  resourceTemplate,
} from './aml-resources';
import { type FirmwareBoard, interruptingSlots, lpcBridge } from './firmware-board';

/** What a PCI wire may be routed to in the PIC: not the serial ports', the SCI's and the clock's. */
const PIC_CHOICES = [5, 6, 7, 10, 11, 12, 14, 15];
const LINKS = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];

/** The body of the DSDT: the devices that a guest can't find by asking the hardware, and how PCI interrupts. */
export function dsdtBody(board: FirmwareBoard): aml.Aml {
  const lpc = lpcBridge(board);
  const bridge = lpc === undefined ? [] : [isaBridge(lpc.slot, lpc.func)];
  return aml.join(
    aml.name('\\_S5', aml.packageOf(...[SLEEP_TYPE_S5, 0, 0, 0].map(aml.integer))),
    aml.name('\\PICM', aml.integer(0)),
    aml.method('\\_PIC', 1, false, aml.store(aml.argument(0), aml.path('\\PICM'))),
    aml.scope('\\_SB', pciRoot(board, bridge), ...(lpc === undefined ? [] : LINKS.map(interruptLink))),
  );
}

function pciRoot(board: FirmwareBoard, bridge: readonly aml.Aml[]): aml.Aml {
  const serial = board.serialPorts ? [serialPort(1, COM1), serialPort(2, COM2)] : [];
  return aml.device(
    'PCI0',
    aml.name('_HID', aml.eisaId('PNP0A03')),
    aml.name('_BBN', aml.integer(0)),
    aml.name('_UID', aml.integer(0)),
    aml.name(
      '_CRS',
      resourceTemplate(
        busNumbers(0, 0),
        ioPorts(PCI_CONFIG_PORT, PCI_CONFIG_PORTS),
        ioWindow(0, PCI_CONFIG_PORT - 1),
        ioWindow(PCI_CONFIG_PORT + PCI_CONFIG_PORTS, 0xffff),
        memoryWindow(PCI_MEMORY_WINDOW.start, PCI_MEMORY_WINDOW.end - 1),
      ),
    ),
    ...interruptRouting(board),
    ...bridge,
    motherboard(),
    ...serial,
    realTimeClock(),
  );
}

/** _PRT: with the IOAPIC, fixed inputs; without, the links (if there is an LPC bridge to route them). */
function interruptRouting(board: FirmwareBoard): readonly aml.Aml[] {
  const slots = interruptingSlots(board);
  if (slots.length === 0) return [];
  const route = (slot: number, source: aml.Aml, index: number): aml.Aml =>
    aml.packageOf(aml.integer(slot * 0x1_0000 + 0xffff), aml.integer(0), source, aml.integer(index));
  const fixed = aml.packageOf(...slots.map((slot) => route(slot, aml.integer(0), intxGsi(slot))));
  if (lpcBridge(board) === undefined) return [aml.name('_PRT', fixed)];
  const linked = aml.packageOf(...slots.map((slot) => route(slot, aml.path(`LNK${LINKS[slot % LINKS.length]}`), 0)));
  return [
    aml.name('APRT', fixed),
    aml.name('PPRT', linked),
    aml.method(
      '_PRT',
      0,
      false,
      aml.when(aml.path('\\PICM'), aml.giveBack(aml.path('APRT'))),
      aml.giveBack(aml.path('PPRT')),
    ),
  ];
}

function isaBridge(slot: number, func: number): aml.Aml {
  return aml.device(
    'ISA',
    aml.name('_ADR', aml.integer(slot * 0x1_0000 + func)),
    ...PIRQ_REGISTERS.map((offset, half) =>
      aml.pciConfigBytes(
        `PIR${half}`,
        offset,
        LINKS.slice(4 * half, 4 * half + 4).map((letter) => `PRQ${letter}`),
      ),
    ),
  );
}

/** A PCI interrupt link device (ACPI 6.4, 6.2.13): the guest reads and sets a PIRQ register through it. */
function interruptLink(letter: string, index: number): aml.Aml {
  const register = aml.path(`\\_SB.PCI0.ISA.PRQ${letter}`);
  const routed = aml.not(aml.and(register, aml.integer(PIRQ_DISABLED)));
  return aml.device(
    `LNK${letter}`,
    aml.name('_HID', aml.eisaId('PNP0C0F')),
    aml.name('_UID', aml.integer(index + 1)),
    aml.method('_STA', 0, false, aml.when(routed, aml.giveBack(aml.integer(0x0b))), aml.giveBack(aml.integer(0x09))),
    aml.name('_PRS', resourceTemplate(pciInterrupts(PIC_CHOICES))),
    aml.name('BUFR', resourceTemplate(pciInterrupts([]))),
    aml.method(
      '_CRS',
      0,
      true,
      aml.createWordField(aml.path('BUFR'), IRQ_MASK_OFFSET, 'MASK'),
      aml.store(aml.integer(0), aml.path('MASK')),
      aml.when(routed, aml.shiftLeft(aml.integer(1), aml.and(register, aml.integer(0x0f)), aml.path('MASK'))),
      aml.giveBack(aml.path('BUFR')),
    ),
    aml.method(
      '_SRS',
      1,
      true,
      aml.createWordField(aml.argument(0), IRQ_MASK_OFFSET, 'MASK'),
      // Counts from 1.
      aml.findSetRightBit(aml.path('MASK'), aml.local(0)),
      aml.subtract(aml.local(0), aml.integer(1), register),
    ),
    aml.method('_DIS', 0, false, aml.store(aml.integer(PIRQ_DISABLED), register)),
  );
}

/** Ports that are taken, so that no guest puts a BAR there. */
function motherboard(): aml.Aml {
  return aml.device(
    'MBRD',
    aml.name('_HID', aml.eisaId('PNP0C02')),
    aml.name('_UID', aml.integer(0)),
    aml.name(
      '_CRS',
      resourceTemplate(
        ioPorts(0x92, 1),
        ioPorts(SMI_COMMAND_PORT, 1),
        ioPorts(PM_BLOCK_PORT, PM_BLOCK_PORTS),
        ioPorts(0x4d0, 2),
      ),
    ),
  );
}

function serialPort(unit: number, { port, irq }: { readonly port: number; readonly irq: number }): aml.Aml {
  return aml.device(
    `COM${unit}`,
    aml.name('_HID', aml.eisaId('PNP0501')),
    aml.name('_UID', aml.integer(unit)),
    aml.name('_CRS', resourceTemplate(ioPorts(port, UART_PORTS), isaInterrupt(irq))),
  );
}

function realTimeClock(): aml.Aml {
  return aml.device(
    'RTC',
    aml.name('_HID', aml.eisaId('PNP0B00')),
    aml.name('_CRS', resourceTemplate(ioPorts(CMOS_PORT, CMOS_PORTS), isaInterrupt(RTC_IRQ))),
  );
}
