import fc from 'fast-check';
import type { RegisterDevice } from '../../../../../engine/vmm/bus/register-device';
import { IntxWires } from '../../../../../engine/vmm/pci/intx-wires';
import {
  connectPirqRegisters,
  dummyPlan,
  hostBridgePlan,
  lpcBridgePlan,
} from '../../../../../engine/vmm/pci/known-functions';
import { PciBus } from '../../../../../engine/vmm/pci/pci-bus';
import { PciFunction } from '../../../../../engine/vmm/pci/pci-function';
import type { PciPlan } from '../../../../../engine/vmm/pci/pci-plan';
import { FakeLines, perform, randomAccesses } from '../platform/fakes';

const COMMAND = 4;
const BAR0 = 0x10;
const BAR1 = 0x14;

const nic: PciPlan = {
  slot: 2,
  func: 0,
  vendorId: 0x1af4,
  deviceId: 0x1041,
  subsystemVendorId: 0x1af4,
  subsystemId: 1,
  classCode: 0x02_0000,
  revision: 1,
  bars: [{ index: 0, kind: 'memory', bytes: 0x4000 }],
  capabilities: [Uint8Array.of(9, 0, 16, 1), Uint8Array.of(9, 0, 20, 2, 5)],
  msixVectors: 3,
  msixBar: 1,
  msi: true,
  interruptPin: true,
};

class Scratch implements RegisterDevice {
  readonly written: string[] = [];
  constructor(private readonly name: string) {}

  read(offset: number, size: number): number {
    return (this.name.charCodeAt(0) * 0x1000 + offset) % 2 ** (8 * size);
  }

  write(offset: number, size: number, value: number): void {
    this.written.push(`${offset}/${size}=${value}`);
  }
}

/** A bus with these functions, and `threads` views of it. */
function build(plans: readonly PciPlan[], threads = 1) {
  const lines = new FakeLines();
  const sent: string[] = [];
  const messages = {
    send: (low: number, high: number, data: number) => sent.push(`${high.toString(16)}:${low.toString(16)}=${data}`),
  };
  const busShared = new SharedArrayBuffer(PciBus.STATE_BYTES);
  const wiresShared = new SharedArrayBuffer(IntxWires.STATE_BYTES);
  const functionShared = plans.map((plan) => new SharedArrayBuffer(PciFunction.stateBytes(plan)));
  const resets: number[] = [];
  const views = Array.from({ length: threads }, () => {
    const wires = new IntxWires(wiresShared, lines);
    const bus = new PciBus(busShared, {
      messages,
      lines: wires,
      resetControl: { read: () => 0x02, write: (_offset, _size, value) => resets.push(value) },
    });
    const functions = plans.map((plan, index) => new PciFunction(plan, functionShared[index]!));
    const devices = functions.map((pci) => {
      const behind = new Map(pci.plan.bars.map((bar) => [bar.index, new Scratch(`${bar.index}`)]));
      bus.attach(pci, behind);
      if (pci.plan.deviceId === 0x7000) connectPirqRegisters(pci, wires);
      return behind;
    });
    const at = (slot: number, register: number, func = 0): number => {
      bus.write(0, 4, 0x8000_0000 + slot * 0x800 + func * 0x100 + (register & 0xfc));
      return 4 + (register & 3);
    };
    const config = {
      read: (slot: number, register: number, size: 1 | 2 | 4, func = 0) => bus.read(at(slot, register, func), size),
      write: (slot: number, register: number, size: 1 | 2 | 4, value: number) =>
        bus.write(at(slot, register), size, value),
    };
    return { bus, wires, functions, devices, config };
  });
  views[0]!.wires.reset();
  views[0]!.bus.reset();
  return { ...views[0]!, views, lines, messages, sent, resets };
}

/** The capabilities as a driver walks them: id and place. */
function capabilities(read: (register: number, size: 1 | 2 | 4) => number): Array<readonly [number, number]> {
  const found: Array<readonly [number, number]> = [];
  if ((read(6, 2) & 0x10) === 0) return found;
  for (let at = read(0x34, 1); at !== 0 && found.length < 48; at = read(at + 1, 1)) found.push([read(at, 1), at]);
  return found;
}

describe('configuration', () => {
  it("is found by Linux's probe of mechanism 1", () => {
    const { bus } = build([hostBridgePlan(0, 0, 'hyperkit')]);
    bus.write(3, 1, 0x01);
    bus.write(0, 4, 0x8000_0000);
    expect(bus.read(0, 4)).toBe(0x8000_0000);
    expect(bus.read(4, 4)).toBe(0x1275_1275);
    bus.write(0, 4, 0x8000_0008);
    expect(bus.read(6, 2)).toBe(0x0600);
  });

  it('answers ones for what is not there: other buses, slots, functions, and the port when it is off', () => {
    const { bus, config } = build([hostBridgePlan(0, 0, 'amd')]);
    expect(config.read(0, 0, 4)).toBe(0x7432_1022);
    expect(config.read(1, 0, 4)).toBe(0xffff_ffff);
    expect(config.read(0, 0, 2, 1)).toBe(0xffff);
    bus.write(0, 4, 0x8001_0000);
    expect(bus.read(4, 4)).toBe(0xffff_ffff);
    bus.write(0, 4, 0);
    expect(bus.read(4, 1)).toBe(0xff);
  });

  it('has the reset control register in its middle', () => {
    const { bus, resets } = build([]);
    bus.write(1, 1, 6);
    expect([bus.read(1, 1), resets, bus.read(0, 4)]).toEqual([2, [6], 0]);
  });

  it('says what a function is, and lets nobody change it', () => {
    const { config } = build([nic]);
    for (let register = 0; register < 0x40; register += 4) {
      if (register === COMMAND || (register >= BAR0 && register <= BAR1)) continue;
      const before = config.read(2, register, 4);
      config.write(2, register, 4, 0xffff_ffff);
      if (register === 0x0c) expect(config.read(2, register, 4)).toBe(0x0000_ffff);
      else if (register === 0x3c) expect(config.read(2, register, 4)).toBe(0x0000_01ff);
      else expect(config.read(2, register, 4)).toBe(before);
    }
    expect(config.read(2, 0, 4)).toBe(0x1041_1af4);
    expect(config.read(2, 8, 4)).toBe(0x0200_0001);
    expect(config.read(2, 0x2c, 4)).toBe(0x0001_1af4);
  });

  it('links the capabilities', () => {
    const { config, functions } = build([nic]);
    const found = capabilities((register, size) => config.read(2, register, size));
    expect(found).toEqual([
      [9, 0x40],
      [9, 0x44],
      [0x11, 0x4c],
      [0x05, 0x58],
    ]);
    expect(functions[0]!.capabilityOffsets).toEqual([0x40, 0x44]);
    expect(config.read(2, 0x48, 1)).toBe(5);
    expect(config.read(2, 0x4e, 2)).toBe(2);
  });

  it('marks slots with several functions', () => {
    const { config } = build([{ ...dummyPlan(3, 0) }, { ...dummyPlan(3, 1) }, { ...dummyPlan(4, 0) }]);
    expect([config.read(3, 0x0e, 1), config.read(3, 0x0e, 1, 1), config.read(4, 0x0e, 1)]).toEqual([0x80, 0x80, 0]);
  });

  it('refuses two devices in one place, and windows that are too small', () => {
    expect(() => build([dummyPlan(3, 0), dummyPlan(3, 0)])).toThrow(
      expect.objectContaining({ code: 'HK_SPEC_INVALID', message: expect.stringContaining('3:0') }),
    );
    const huge = { ...nic, bars: [{ index: 0, kind: 'memory', bytes: 0x2000_0000 }] } as const;
    expect(() => build([huge])).toThrow(expect.objectContaining({ code: 'HK_SPEC_INVALID' }));
  });

  it('passes windows on', () => {
    const { functions, config } = build([nic]);
    const window = new Scratch('A');
    functions[0]!.addWindow(0x80, 4, window);
    config.write(2, 0x81, 1, 7);
    expect(window.written).toEqual(['1/1=7']);
    expect(config.read(2, 0x80, 4)).toBe(0x41 * 0x1000);
  });
});

describe('BARs', () => {
  it('have an address at power-on, aligned and apart, and are decoded', () => {
    const { bus, functions, config } = build([nic, dummyPlan(1, 0), { ...nic, slot: 5 }]);
    const seen: Array<readonly [number, number]> = [];
    for (const pci of functions) {
      for (const bar of pci.bars) {
        const base = pci.barBase(bar.index)!;
        expect(base % bar.bytes).toBe(0);
        const [low, high] = bar.kind === 'io' ? [0x2000, 0x1_0000] : [0xc000_0000, 0xe000_0000];
        expect(base >= low && base + bar.bytes <= high).toBe(true);
        for (const [start, end] of seen) expect(base >= end || base + bar.bytes <= start).toBe(true);
        seen.push([base, base + bar.bytes]);
        expect(bus.find(bar.kind, base + 3)).toMatchObject({ offset: 3, length: bar.bytes - 3 });
        expect(bus.find(bar.kind === 'io' ? 'memory' : 'io', base)).toBeUndefined();
      }
    }
    expect(config.read(2, COMMAND, 2)).toBe(2);
    expect(config.read(1, COMMAND, 2)).toBe(3);
  });

  it('tell their size the way drivers ask', () => {
    const { config } = build([nic, dummyPlan(1, 0)]);
    const size = (slot: number, register: number): number => {
      const command = config.read(slot, COMMAND, 2);
      config.write(slot, COMMAND, 2, command & ~3);
      const before = config.read(slot, register, 4);
      config.write(slot, register, 4, 0xffff_ffff);
      const mask = config.read(slot, register, 4);
      config.write(slot, register, 4, before);
      config.write(slot, COMMAND, 2, command);
      expect(config.read(slot, register, 4)).toBe(before);
      return mask;
    };
    expect(size(2, BAR0)).toBe(0xffff_c000);
    expect(size(2, BAR1)).toBe(0xffff_f000);
    expect(size(2, 0x18)).toBe(0);
    expect(size(2, 0x30)).toBe(0);
    expect(size(1, BAR0)).toBe(0x0000_fff9);
  });

  it('move for every thread at once, and tell who listens in the thread that moved them', () => {
    const { views } = build([nic], 2);
    const [one, other] = [views[0]!, views[1]!];
    const heard: string[][] = [[], []];
    for (const [index, view] of views.entries()) {
      view.functions[0]!.onBarChange((bar, before, now) => {
        heard[index]!.push(`${bar} ${before?.toString(16)} -> ${now?.toString(16)}`);
      });
    }
    const base = one.functions[0]!.barBase(0)!;
    expect(other.bus.find('memory', base + 16)).toMatchObject({ offset: 16 });
    one.config.write(2, BAR0, 4, 0xd123_4567);
    expect(one.functions[0]!.barBase(0)).toBe(0xd123_4000);
    expect(other.functions[0]!.barBase(0)).toBe(0xd123_4000);
    expect(other.bus.find('memory', base + 16)).toBeUndefined();
    expect(other.bus.find('memory', 0xd123_7fff)).toMatchObject({ offset: 0x3fff, length: 1 });
    other.config.write(2, COMMAND, 2, 0);
    expect(one.bus.find('memory', 0xd123_4000)).toBeUndefined();
    expect(heard[0]).toEqual([`0 ${base.toString(16)} -> d1234000`]);
    expect(heard[1]).toEqual(['0 d1234000 -> undefined', expect.stringContaining('1 ')]);
    other.config.write(2, COMMAND, 2, 2);
    other.config.write(2, BAR0, 4, 0);
    expect(one.functions[0]!.barBase(0)).toBeUndefined();
  });
});

describe('MSI-X', () => {
  function ready() {
    const built = build([nic], 2);
    const pci = built.functions[0]!;
    const control =
      capabilities((register, size) => built.config.read(2, register, size)).find(([id]) => id === 0x11)![1] + 2;
    const table = pci.barBase(1)!;
    const poke = (offset: number, value: number) => {
      const { device, offset: at } = built.bus.find('memory', table + offset)!;
      device.write(at, 4, value);
    };
    const peek = (offset: number): number => {
      const { device, offset: at } = built.bus.find('memory', table + offset)!;
      return device.read(at, 4);
    };
    const program = (vector: number, data: number) => {
      for (const [at, value] of [0xfee0_0000, 0, data, 0].entries()) poke(vector * 16 + at * 4, value);
    };
    return { ...built, pci, control, poke, peek, program };
  }

  it('is off and masked at power-on', () => {
    const { pci, peek, sent, messages, config, control } = ready();
    expect(config.read(2, control, 2)).toBe(2);
    expect([peek(12), peek(28), peek(44)]).toEqual([1, 1, 1]);
    pci.msix!.signal(0, messages);
    expect(pci.msix!.enabled).toBe(false);
    expect(sent).toEqual([]);
  });

  it('sends the message of a vector, and nothing for vectors that are not there', () => {
    const { pci, program, sent, messages, config, control, views } = ready();
    config.write(2, control, 2, 0x8000);
    program(0, 0x41);
    program(2, 0x43);
    pci.msix!.signal(2, messages);
    views[1]!.functions[0]!.msix!.signal(0, messages);
    for (const vector of [3, 0xffff, -1, Number.NaN]) pci.msix!.signal(vector, messages);
    expect(sent).toEqual(['0:fee00000=67', '0:fee00000=65']);
  });

  it('keeps what comes while a vector, or all, is masked, and sends it once afterwards', () => {
    const { pci, program, poke, peek, sent, messages, config, control, views } = ready();
    config.write(2, control, 2, 0x8000);
    program(0, 0x41);
    program(1, 0x42);
    poke(12, 1);
    for (let count = 0; count < 3; count++) views[1]!.functions[0]!.msix!.signal(0, messages);
    expect([sent.length, peek(0x800)]).toEqual([0, 1]);
    poke(12, 0);
    expect([sent, peek(0x800)]).toEqual([['0:fee00000=65'], 0]);
    config.write(2, control, 2, 0xc000);
    pci.msix!.signal(1, messages);
    expect([sent.length, peek(0x800)]).toEqual([1, 2]);
    config.write(2, control, 2, 0x8000);
    expect([sent.length, peek(0x800)]).toEqual([2, 0]);
  });

  it('lets nobody write to the pending bits', () => {
    const { poke, peek } = ready();
    poke(0x800, 0xffff_ffff);
    expect(peek(0x800)).toBe(0);
    poke(12, 0xffff_ffff);
    expect(peek(12)).toBe(1);
  });
});

it('sends its one MSI to where the driver said, once it is on', () => {
  const { config, functions, messages, sent } = build([nic]);
  const at = capabilities((register, size) => config.read(2, register, size)).find(([id]) => id === 5)![1];
  expect(config.read(2, at + 2, 2)).toBe(0x80);
  config.write(2, at + 4, 4, 0xfee0_1004);
  config.write(2, at + 8, 4, 1);
  config.write(2, at + 12, 2, 0x4025);
  expect(functions[0]!.signalMsi(messages)).toBe(false);
  config.write(2, at + 2, 2, 0xffff);
  expect(config.read(2, at + 2, 2)).toBe(0x81);
  expect(functions[0]!.signalMsi(messages)).toBe(true);
  expect(sent).toEqual([`1:fee01004=${0x4025}`]);
});

describe('interrupt pins', () => {
  it('drive the input of their slot, and show in the status register, unless disabled', () => {
    const { functions, wires, lines, config } = build([nic]);
    const pci = functions[0]!;
    pci.setIntx(true, wires);
    pci.setIntx(true, wires);
    expect([lines.isOn(18), config.read(2, 6, 2) & 8]).toEqual([true, 8]);
    config.write(2, COMMAND, 2, 0x0402);
    expect([lines.isOn(18), config.read(2, 6, 2) & 8]).toEqual([false, 8]);
    config.write(2, COMMAND, 2, 0x0002);
    expect(lines.isOn(18)).toBe(true);
    pci.setIntx(false, wires);
    expect([lines.isOn(18), config.read(2, 6, 2) & 8]).toEqual([false, 0]);
  });

  it('share an input: it is on while any wants it', () => {
    const { functions, wires, lines, bus } = build([nic, { ...nic, slot: 10 }, { ...nic, func: 1 }]);
    for (const pci of functions) pci.setIntx(true, wires);
    functions[0]!.setIntx(false, wires);
    functions[2]!.setIntx(false, wires);
    expect(lines.isOn(18)).toBe(true);
    bus.reset();
    expect(lines.isOn(18)).toBe(false);
  });

  it('reach the PIC where the LPC bridge routes them', () => {
    const { functions, wires, lines, config } = build([lpcBridgePlan(31, 0), nic, { ...nic, slot: 3 }]);
    expect(config.read(31, 0x60, 4)).toBe(0x8080_8080);
    functions[1]!.setIntx(true, wires);
    expect(lines.isOn(10)).toBe(false);
    config.write(31, 0x62, 1, 0x0a);
    expect([lines.isOn(10), config.read(31, 0x62, 1)]).toEqual([true, 0x0a]);
    config.write(31, 0x63, 1, 0x0a);
    functions[2]!.setIntx(true, wires);
    functions[1]!.setIntx(false, wires);
    expect(lines.isOn(10)).toBe(true);
    config.write(31, 0x63, 1, 0x0b);
    expect([lines.isOn(10), lines.isOn(11)]).toEqual([false, true]);
    config.write(31, 0x63, 1, 0x80);
    expect(lines.isOn(11)).toBe(false);
    // The timer's and the keyboard's inputs are not PCI's.
    for (const input of [0, 1, 2, 8, 13]) config.write(31, 0x63, 1, input);
    expect([...lines.levels].filter(([gsi, on]) => gsi < 16 && on)).toEqual([]);
  });
});

it('stands whatever a guest does to it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 }), (seed) => {
      const { bus, functions, wires, lines, messages } = build([
        hostBridgePlan(0, 0, 'hyperkit'),
        lpcBridgePlan(1, 0),
        nic,
        dummyPlan(3, 0),
        { ...nic, slot: 10, msixVectors: 100 },
      ]);
      const identity = functions.map((pci) => pci.readConfig(0, 4));
      const chain = functions.map((pci) => capabilities((register, size) => pci.readConfig(register, size)));
      let step = 0;
      for (const access of randomAccesses(seed, 4000, 8)) {
        step++;
        if (step % 3 === 0) {
          const slot = [0, 1, 2, 3, 10][access.value % 5]!;
          bus.write(0, 4, 0x8000_0000 + slot * 0x800 + ((access.value >>> 3) & 0xfc));
        }
        perform(bus, access);
        const pci = functions[access.value % functions.length]!;
        if (step % 5 === 0) pci.msix?.signal(access.value & 127, messages);
        if (step % 7 === 0) pci.setIntx((access.value & 8) !== 0, wires);
        const { msix } = pci;
        if (msix !== undefined) perform(msix, { ...access, offset: access.value % 4093 });
        if (step % 50 === 0) {
          for (const bar of pci.bars) {
            const base = pci.barBase(bar.index);
            if (base === undefined) continue;
            expect(base % bar.bytes).toBe(0);
            expect(bus.find(bar.kind, base)).toBeDefined();
          }
        }
      }
      expect(functions.map((pci) => pci.readConfig(0, 4))).toEqual(identity);
      expect(functions.map((pci) => capabilities((register, size) => pci.readConfig(register, size)))).toEqual(chain);
      for (const pci of functions) pci.setIntx(false, wires);
      expect([...lines.levels].filter(([, on]) => on)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});
