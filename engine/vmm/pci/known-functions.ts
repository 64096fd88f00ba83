import type { IntxWires } from './intx-wires';
import type { PciFunction } from './pci-function';
import type { PciPlan } from './pci-plan';

const BRIDGE = {
  subsystemVendorId: 0,
  subsystemId: 0,
  revision: 0,
  bars: [],
  capabilities: [],
  msixVectors: 0,
  msixBar: 0,
  msi: false,
  interruptPin: false,
} as const;

/** Where the CPU's bus meets PCI. `hyperkit` and `amd` are HyperKit's `hostbridge` and `amd_hostbridge`. */
export function hostBridgePlan(slot: number, func: number, vendor: 'hyperkit' | 'amd'): PciPlan {
  const id = vendor === 'amd' ? { vendorId: 0x1022, deviceId: 0x7432 } : { vendorId: 0x1275, deviceId: 0x1275 };
  return { ...BRIDGE, ...id, slot, func, classCode: 0x06_0000 };
}

/** The bridge to the devices of an old PC (PIIX3's number). */
export function lpcBridgePlan(slot: number, func: number): PciPlan {
  return { ...BRIDGE, slot, func, vendorId: 0x8086, deviceId: 0x7000, classCode: 0x06_0100 };
}

/** Where PIRQ A to D and E to H are routed, as in Intel's ICH. */
export const PIRQ_REGISTERS = [0x60, 0x68] as const;

/** Puts the PIRQ registers into the LPC bridge's configuration space, in every thread. */
export function connectPirqRegisters(lpc: PciFunction, wires: IntxWires): void {
  for (const [half, offset] of PIRQ_REGISTERS.entries()) {
    lpc.addWindow(offset, 4, {
      read: (at, size) => wires.routes.read(4 * half + at, size),
      write: (at, size, value) => wires.routes.write(4 * half + at, size, value),
    });
  }
}

/** HyperKit's `dummy`: three BARs with nothing behind them, for tests of PCI enumeration. */
export function dummyPlan(slot: number, func: number): PciPlan {
  return {
    ...BRIDGE,
    slot,
    func,
    vendorId: 0x10dd,
    deviceId: 0x0001,
    classCode: 0x02_0000,
    bars: [
      { index: 0, kind: 'io', bytes: 8 },
      { index: 1, kind: 'memory', bytes: 4096 },
      { index: 2, kind: 'memory', bytes: 4096 },
    ],
    msi: true,
  };
}

/** HyperKit's `uart`: a serial port on a PCI card, a 16550 behind BAR 0 (8 ports) that interrupts by INTA#. */
export function serialCardPlan(slot: number, func: number): PciPlan {
  return {
    ...BRIDGE,
    slot,
    func,
    vendorId: 0x131f,
    deviceId: 0x2000,
    classCode: 0x07_0002,
    bars: [{ index: 0, kind: 'io', bytes: 8 }],
    interruptPin: true,
  };
}
