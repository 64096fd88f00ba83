import { eventfds } from '../../../native/eventfd';
import { EngineError } from '../../errors';
import { attachAhciState } from '../ahci/ahci-channel';
import { ABAR } from '../ahci/ahci-layout';
import { AhciRegisters } from '../ahci/ahci-registers';
import type { AhciState } from '../ahci/ahci-state';
import { BoardLock } from '../bus/board-lock';
import { MmioBus } from '../bus/mmio-bus';
import { PioBus } from '../bus/pio-bus';
import type { MachineRequests, RegisterDevice } from '../bus/register-device';
import { KvmInterrupts } from '../kvm/kvm-interrupts';
import { HIGH_MEMORY_START, LOW_MEMORY_END, type MemoryRegion } from '../memory/guest-memory';
import { IntxWires } from '../pci/intx-wires';
import { connectPirqRegisters } from '../pci/known-functions';
import { PCI_CONFIG_PORT, PCI_CONFIG_PORTS, PciBus } from '../pci/pci-bus';
import { PciFunction } from '../pci/pci-function';
import { AcpiPower, PM_BLOCK_PORT, PM_BLOCK_PORTS, SMI_COMMAND_PORT } from '../platform/acpi-power';
import { ByteRing } from '../platform/byte-ring';
import { CMOS_PORT, CMOS_PORTS, CmosRtc } from '../platform/cmos';
import {
  BVM_CONSOLE,
  BVM_DEBUGGER,
  BVM_PORTS,
  BvmPort,
  EISA_POST_PORT,
  POST_PORT,
  PostPort,
} from '../platform/debug-ports';
import { I8042, I8042_COMMAND_PORT, I8042_DATA_PORT } from '../platform/i8042';
import { PORT92, Port92 } from '../platform/port92';
import { ResetControl } from '../platform/reset-control';
import { COM1, COM2, UART_PORTS, Uart16550 } from '../platform/uart-16550';
import { BoardWords, NOTICE, WISH } from '../vcpu/board-words';
import { REGISTERS_BAR, VirtioPciRegisters } from '../virtio/virtio-pci';
import type { BoardPlan, DebugPortPlan, PciSlotPlan, SerialPlan } from './board-plan';

/** A serial port and where its output goes. */
export interface Serial {
  readonly uart: Uart16550;
  readonly output: ByteRing;
}

/** A debug port and its two directions. */
export interface DebugPort {
  readonly output: ByteRing;
  readonly input: ByteRing;
}

/** One thread's view of a board. */
export interface Board {
  readonly words: BoardWords;
  readonly lock: BoardLock;
  readonly interrupts: KvmInterrupts;
  readonly pio: PioBus;
  readonly mmio: MmioBus;
  readonly acpi: AcpiPower;
  readonly cmos: CmosRtc;
  readonly pci: PciBus;
  readonly intx: IntxWires;
  readonly com1: Serial | undefined;
  readonly com2: Serial | undefined;
  /** PCI serial cards, in order of their slots in the plan. */
  readonly cards: readonly Serial[];
  readonly debugConsole: DebugPort | undefined;
  readonly debugger: DebugPort | undefined;
  /** In the order of the plan's slots. */
  readonly functions: readonly PciFunction[];
  /** Wakes the main thread. */
  notice(): void;
  /** Power-on of every device; one thread does it once, before any vCPU runs. */
  powerOn(): void;
}

/** Makes this thread's objects of a board. Wherever a guest can change something, they share it with the other threads'. */
export function assembleBoard(plan: BoardPlan): Board {
  const words = new BoardWords(plan.words);
  const notice = (): void => eventfds.signal(plan.noticeEventfd);
  const tell = (bit: number): void => {
    words.addNotice(bit);
    notice();
  };
  const wish = (what: typeof WISH.powerOff | typeof WISH.reset): void => {
    if (words.makeWish(what)) notice();
  };
  const requests: MachineRequests = { powerOff: () => wish(WISH.powerOff), reset: () => wish(WISH.reset) };
  const interrupts = new KvmInterrupts(plan.vm);
  const intx = new IntxWires(plan.intx, interrupts);
  const { lowMemoryBytes, highMemoryBytes } = countMemory(plan.memory);
  const cmos = new CmosRtc(plan.cmos, {
    lines: interrupts,
    clock: Date.now,
    local: plan.rtc === 'local',
    lowMemoryBytes,
    highMemoryBytes,
    alarmChanged: () => tell(NOTICE.alarmChanged),
  });
  const i8042 = new I8042(plan.i8042, requests);
  const port92 = new Port92(plan.port92, requests);
  const resetControl = new ResetControl(plan.resetControl, requests);
  const acpi = new AcpiPower(plan.acpi, { lines: interrupts, requests, monotonic: () => process.hrtime() });
  const pci = new PciBus(plan.pciBus, { messages: interrupts, lines: intx, resetControl });
  const inputWanted = (): void => tell(NOTICE.inputWanted);
  const openSerial = ({ state, output }: SerialPlan, irq: number, lines: { set: KvmInterrupts['set'] }): Serial => {
    const ring = new ByteRing(output, notice);
    return { uart: new Uart16550(state, { lines, irq, output: ring, inputWanted }), output: ring };
  };
  const openDebugPort = ({ output, input }: DebugPortPlan): DebugPort => ({
    output: new ByteRing(output, notice),
    input: new ByteRing(input, () => undefined),
  });
  const com1 = plan.com1 && openSerial(plan.com1, COM1.irq, interrupts);
  const com2 = plan.com2 && openSerial(plan.com2, COM2.irq, interrupts);
  const debugConsole = plan.debugConsole && openDebugPort(plan.debugConsole);
  const debuggerPort = plan.debugger && openDebugPort(plan.debugger);

  const pio = new PioBus((port) => pci.find('io', port), plan.strictIo ? refusePort : undefined);
  pio.claim(CMOS_PORT, CMOS_PORTS, cmos);
  pio.claim(I8042_DATA_PORT, 1, i8042.data);
  pio.claim(I8042_COMMAND_PORT, 1, i8042.command);
  pio.claim(PORT92, 1, port92);
  pio.claim(POST_PORT, 1, new PostPort());
  pio.claim(EISA_POST_PORT, 1, new PostPort());
  pio.claim(PM_BLOCK_PORT, PM_BLOCK_PORTS, acpi);
  pio.claim(SMI_COMMAND_PORT, 1, acpi.smiCommand);
  pio.claim(PCI_CONFIG_PORT, PCI_CONFIG_PORTS, pci);
  if (com1) pio.claim(COM1.port, UART_PORTS, com1.uart);
  if (com2) pio.claim(COM2.port, UART_PORTS, com2.uart);
  for (const [port, { port: first, signature }] of [
    [debugConsole, BVM_CONSOLE],
    [debuggerPort, BVM_DEBUGGER],
  ] as const) {
    if (port) pio.claim(first, BVM_PORTS, new BvmPort(signature, port.output, port.input));
  }

  const cards: Serial[] = [];
  const controllers: AhciState[] = [];
  const connect = ({ device }: PciSlotPlan, fn: PciFunction): ReadonlyMap<number, RegisterDevice> => {
    switch (device.kind) {
      case 'bare':
        return new Map();
      case 'lpc':
        connectPirqRegisters(fn, intx);
        return new Map();
      case 'serial': {
        const card = openSerial(device.serial, 0, { set: (_line, level) => fn.setIntx(level, intx) });
        cards.push(card);
        return new Map([[0, card.uart]]);
      }
      case 'virtio': {
        const wires = { messages: interrupts, lines: intx };
        const registers = new VirtioPciRegisters(device.channel, { pci: fn, wires, kicks: interrupts });
        return new Map([[REGISTERS_BAR, registers]]);
      }
      case 'ahci': {
        const { channel } = device;
        const state = attachAhciState(channel, fn, { messages: interrupts, lines: intx });
        controllers.push(state);
        return new Map([[ABAR, new AhciRegisters(state, () => eventfds.signal(channel.eventfd))]]);
      }
    }
  };
  const functions = plan.slots.map((slot) => {
    const fn = new PciFunction(slot.pci, slot.state);
    pci.attach(fn, connect(slot, fn));
    return fn;
  });

  const mmio = new MmioBus((address) => pci.find('memory', address));
  const serials = [com1, com2, ...cards].filter((serial) => serial !== undefined);
  return {
    ...{ words, lock: new BoardLock(plan.lock), interrupts, pio, mmio, acpi, cmos, pci, intx, com1, com2, cards },
    ...{ debugConsole, debugger: debuggerPort, functions, notice },
    powerOn: () => {
      for (const ring of [debugConsole, debuggerPort].flatMap((port) => (port ? [port.output, port.input] : []))) {
        ring.reset();
      }
      for (const { output } of serials) output.reset();
      intx.reset();
      pci.reset();
      for (const { uart } of serials) uart.reset();
      for (const state of controllers) state.initialize();
      for (const device of [cmos, i8042, port92, resetControl, acpi]) device.reset();
    },
  };
}

function refusePort(port: number, size: number): void {
  const text = `the guest used ${size} bytes at I/O port 0x${port.toString(16)}, where there is nothing, and strict I/O is on`;
  throw new EngineError('HK_GUEST_FAULT', text);
}

function countMemory(regions: readonly MemoryRegion[]): { lowMemoryBytes: number; highMemoryBytes: number } {
  let lowMemoryBytes = 0;
  let highMemoryBytes = 0;
  for (const { guestAddress, bytes, part } of regions) {
    const length = part?.length ?? bytes.byteLength;
    if (guestAddress < LOW_MEMORY_END) lowMemoryBytes += length;
    else if (guestAddress >= HIGH_MEMORY_START) highMemoryBytes += length;
  }
  return { lowMemoryBytes, highMemoryBytes };
}
