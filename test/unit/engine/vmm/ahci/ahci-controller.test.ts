import fc from 'fast-check';
import { perform, randomAccesses } from '../platform/fakes';
import {
  AhciMachine,
  BUFFERS,
  GHC,
  MEMORY_BYTES,
  numbered,
  PX_CI,
  PX_CMD,
  PX_IE,
  PX_IS,
  PX_SERR,
  PX_TFD,
} from './ahci-driver';

const READ_DMA_EXT = 0x25;

let machine: AhciMachine;
afterEach(() => machine.close());

function disk(): AhciMachine {
  machine = new AhciMachine('ahci-hd', numbered(64));
  return machine;
}

it('is what Linux looks for: AHCI 1.3, one port, 32 slots, a link at 6 Gbit/s', () => {
  const { pci } = disk();
  expect([pci.readConfig(0, 4), pci.readConfig(8, 4) >>> 8]).toEqual([0x2821_8086, 0x01_0601]);
  expect(machine.read(0x00).toString(16)).toBe('81341f00');
  expect([machine.read(GHC), machine.read(0x0c), machine.read(0x10)]).toEqual([0x8000_0000, 1, 0x1_0300]);
  expect([machine.read(0x128), machine.read(0x124)]).toEqual([0x133, 0x101]);
  machine.start();
  // The signature has come as a frame, too.
  expect([...machine.received.slice(0x40, 0x4e)]).toEqual([0x34, 0, 0x50, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
});

it('shows the signature of a CD drive', () => {
  machine = new AhciMachine('ahci-cd', Buffer.alloc(2048));
  machine.start();
  expect(machine.read(0x124)).toBe(0xeb14_0101);
  expect([...machine.received.slice(0x40, 0x4e)]).toEqual([0x34, 0, 0, 1, 1, 0x14, 0xeb, 0, 0, 0, 0, 0, 1, 0]);
});

it('executes nothing while the engine is off, and forgets what was issued when it is switched off', () => {
  disk();
  machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
  machine.write(PX_CI, 1);
  expect(machine.read(PX_CI)).toBe(0);
  machine.start();
  machine.held = true;
  machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
  machine.write(PX_CI, 1);
  expect(machine.read(PX_CI)).toBe(1);
  machine.write(PX_CMD, machine.read(PX_CMD) & ~1);
  expect([machine.read(PX_CI), machine.read(PX_CMD) & 0x8000]).toEqual([0, 0]);
  machine.work();
  expect(machine.memory.readU32(BUFFERS)).toBe(0xeeee_eeee);
});

it('leaves memory alone while the function is no bus master', () => {
  disk();
  machine.start();
  machine.pci.writeConfig(4, 2, 0x0002);
  machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
  machine.write(PX_CI, 1);
  expect([machine.read(PX_CI), machine.memory.readU32(BUFFERS)]).toEqual([1, 0xeeee_eeee]);
});

it('executes all slots that are issued, each once', () => {
  disk();
  machine.start();
  const places = Array.from({ length: 32 }, (_, slot) =>
    machine.prepare({ command: READ_DMA_EXT, lba: slot, count: 1 }, { slot, regions: [512] }),
  );
  machine.held = true;
  machine.write(PX_CI, 0xffff_ffff);
  expect(machine.read(PX_CI)).toBe(0xffff_ffff);
  machine.work();
  expect([machine.read(PX_CI), machine.read(PX_IS)]).toEqual([0, 1]);
  for (const [slot, [place]] of places.entries()) expect(machine.memory.readU32(place![0])).toBe(slot * 0x1000);
});

describe('interrupts', () => {
  it('by pin: on while a cause is enabled and not cleared', () => {
    disk();
    machine.start();
    machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
    machine.write(PX_CI, 1);
    expect([machine.lines.isOn(19), machine.read(0x08), machine.read(PX_IS)]).toEqual([true, 1, 1]);
    machine.write(GHC, 0x8000_0000);
    expect(machine.lines.isOn(19)).toBe(false);
    machine.write(GHC, 0x8000_0002);
    expect(machine.lines.isOn(19)).toBe(true);
    machine.write(0x08, 1);
    expect(machine.lines.isOn(19)).toBe(true);
    machine.write(PX_IS, 1);
    expect([machine.lines.isOn(19), machine.read(0x08)]).toEqual([false, 0]);
  });

  it('by message: one for each command, none for what was cleared', () => {
    disk();
    const msi = machine.pci.readConfig(0x34, 1);
    machine.pci.writeConfig(msi + 4, 4, 0xfee0_0000);
    machine.pci.writeConfig(msi + 12, 2, 0x31);
    machine.pci.writeConfig(msi + 2, 2, 1);
    machine.start();
    expect(machine.messages).toEqual([]);
    for (let count = 1; count <= 3; count++) {
      machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
      machine.write(PX_CI, 1);
      expect(machine.messages).toHaveLength(count);
      machine.write(PX_IS, machine.read(PX_IS));
      machine.write(0x08, 1);
    }
    expect(machine.messages).toEqual([0x31, 0x31, 0x31]);
    expect(machine.lines.isOn(19)).toBe(false);
  });

  it('comes again if something happens between reading and clearing', () => {
    disk();
    const msi = machine.pci.readConfig(0x34, 1);
    machine.pci.writeConfig(msi + 2, 2, 1);
    machine.start();
    machine.run({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
    const before = machine.messages.length;
    machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
    machine.write(PX_CI, 1);
    machine.prepare({ command: 0xec }, { slot: 1, regions: [512] });
    machine.write(PX_CI, 2);
    expect(machine.messages).toHaveLength(before + 2);
    machine.write(PX_IS, 1);
    expect(machine.messages).toHaveLength(before + 3);
    machine.write(PX_IS, 2);
    expect(machine.messages).toHaveLength(before + 3);
  });
});

describe('errors', () => {
  it('stop the port until its driver restarts it, with the slot still marked', () => {
    disk();
    machine.start();
    machine.prepare({ command: READ_DMA_EXT, lba: 64, count: 1 }, { slot: 2, regions: [512] });
    machine.write(PX_CI, 4);
    expect([machine.read(PX_IS), machine.read(PX_CI)]).toEqual([0x4000_0001, 4]);
    expect(machine.read(PX_TFD)).toBe(0x1051);
    expect((machine.read(PX_CMD) >> 8) & 31).toBe(2);
    machine.prepare({ command: READ_DMA_EXT, count: 1 }, { slot: 0, regions: [512] });
    machine.write(PX_CI, 1);
    expect(machine.read(PX_CI)).toBe(5);
    machine.restart();
    expect(machine.read(PX_CI)).toBe(0);
    expect(machine.run({ command: READ_DMA_EXT, count: 1 }, { regions: [512] }).failed).toBe(false);
  });

  it.each([
    ['a command list', (m: AhciMachine) => m.write(0x104, 1)],
    ['a command table', (m: AhciMachine) => m.memory.writeU32(0x1000 + 8, MEMORY_BYTES)],
    ['an unaligned command table', (m: AhciMachine) => m.memory.writeU32(0x1000 + 8, 0x4040)],
    ['a buffer', (m: AhciMachine) => m.memory.writeU32(0x4000 + 0x80, MEMORY_BYTES - 256)],
    ['a place for frames', (m: AhciMachine) => m.write(0x10c, 7)],
    ['no FIS', (m: AhciMachine) => m.memory.writeU16(0x1000, 0)],
  ])("of %s that is not the guest's are fatal to the bus, and to nothing else", (_, spoil) => {
    disk();
    machine.start();
    machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
    spoil(machine);
    machine.write(PX_CI, 1);
    expect(machine.read(PX_IS) & 0x2000_0000).not.toBe(0);
    expect(machine.read(PX_CI)).toBe(1);
    expect(machine.faults).toHaveLength(1);
    machine.start();
    expect(machine.run({ command: READ_DMA_EXT, count: 1 }, { regions: [512] }).failed).toBe(false);
  });

  it('are reported a few times only', () => {
    disk();
    machine.start();
    for (let count = 0; count < 50; count++) {
      machine.memory.slice(0x1000, 32).fill(0xff);
      machine.write(PX_CI, 1);
      machine.restart();
    }
    expect(machine.faults.length).toBeLessThan(20);
  });
});

describe('resets', () => {
  it('by software tell the signature again', () => {
    disk();
    machine.start();
    for (const control of [0x04, 0x00]) {
      machine.prepare({ command: 0 });
      machine.memory.slice(0x4001, 1)[0] = 0;
      machine.memory.slice(0x400f, 1)[0] = control;
      machine.memory.slice(0x2040, 20).fill(0);
      machine.write(PX_CI, 1);
      expect(machine.read(PX_CI)).toBe(0);
    }
    expect(machine.read(PX_TFD)).toBe(0x0150);
    expect(machine.received[0x40]).toBe(0x34);
    expect(machine.run({ command: READ_DMA_EXT, count: 1 }, { regions: [512] }).failed).toBe(false);
  });

  it('of the link say so, and void what is under way', () => {
    disk();
    machine.start();
    machine.held = true;
    machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
    machine.write(PX_CI, 1);
    machine.write(0x12c, 0x301);
    expect([machine.read(0x128), machine.read(PX_TFD) & 0x80]).toEqual([0, 0x80]);
    machine.work();
    expect(machine.memory.readU32(BUFFERS)).toBe(0xeeee_eeee);
    machine.write(0x12c, 0x300);
    expect([machine.read(0x128), machine.read(PX_TFD), machine.read(PX_SERR)]).toEqual([0x133, 0x150, 0x0400_0000]);
    expect(machine.read(PX_IS) & 0x40).toBe(0x40);
    machine.write(PX_SERR, 0xffff_ffff);
    expect(machine.read(PX_IS) & 0x40).toBe(0);
  });

  it('of the controller wait for the drive to let go of memory', () => {
    disk();
    machine.start();
    machine.prepare({ command: READ_DMA_EXT, count: 1 }, { regions: [512] });
    machine.held = true;
    machine.write(PX_CI, 1);
    const taken = machine.state.take()!;
    expect(taken.slot).toBe(0);
    machine.write(PX_CMD, machine.read(PX_CMD) & ~1);
    expect(machine.read(PX_CMD) & 0x8000).toBe(0x8000);
    machine.write(GHC, 0x8000_0001);
    expect(machine.read(GHC) & 1).toBe(1);
    expect(machine.state.isCurrent(taken)).toBe(false);
    machine.state.release();
    expect([machine.read(GHC), machine.read(PX_CMD), machine.read(PX_IE), machine.read(PX_TFD)]).toEqual([
      0x8000_0000, 0x6, 0, 0x150,
    ]);
    machine.held = false;
    machine.start();
    expect(machine.run({ command: READ_DMA_EXT, count: 1 }, { regions: [512] }).failed).toBe(false);
  });

  it('by the list override make a busy port ready', () => {
    disk();
    machine.write(0x12c, 0x301);
    expect(machine.read(PX_TFD) & 0x80).toBe(0x80);
    machine.write(PX_CMD, machine.read(PX_CMD) | 8);
    expect([machine.read(PX_TFD) & 0x88, machine.read(PX_CMD) & 8]).toEqual([0, 0]);
  });
});

it('takes registers in smaller pieces', () => {
  disk();
  machine.registers.write(0x100, 1, 0xff);
  machine.registers.write(0x102, 2, 0x1234);
  machine.registers.write(0x101, 1, 0x56);
  expect(machine.read(0x100)).toBe(0x1234_5400);
  expect([machine.registers.read(0x101, 1), machine.registers.read(0x102, 2)]).toEqual([0x54, 0x1234]);
  expect(machine.read(PX_SERR)).toBe(0x0400_0000);
  machine.registers.write(0x130, 2, 0xffff);
  expect(machine.read(PX_SERR)).toBe(0x0400_0000);
  machine.registers.write(0x133, 1, 0x04);
  expect(machine.read(PX_SERR)).toBe(0);
});

it.each(['ahci-hd', 'ahci-cd'] as const)(
  'stands whatever a guest does to the registers and tables of an %s',
  (kind) => {
    machine = new AhciMachine(kind, numbered(64));
    let commands = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1 }), (seed) => {
        machine.start();
        const tables = machine.memory.slice(0x1000, 0x2_4000);
        let step = 0;
        for (const access of randomAccesses(seed, 1500, 0x180)) {
          step++;
          if (step % 3 === 0) {
            // Valid commands with a few bytes changed.
            machine.prepare(
              {
                command: [0x25, 0x35, 0xec, 0xa0, 0xef, 0x06, 0xa1][access.value % 7]!,
                count: access.value & 15,
                features: 1,
              },
              {
                slot: access.value & 31,
                regions: [512, 1, 4096],
                packet: Buffer.from([access.value & 0xff, 0, 0, 0, 0, 1, 0, 0, 8]),
              },
            );
            if (step % 2 === 0) tables[(access.value >>> 3) % tables.length] = access.offset;
            perform(machine.registers, { write: true, offset: PX_CI, size: 4, value: access.value });
          } else {
            const offset = step % 5 === 0 ? [GHC, PX_CMD, 0x12c, PX_IS, PX_IE][access.offset % 5]! : access.offset;
            if (offset + access.size > 0x1000) continue;
            perform(machine.registers, { ...access, offset });
          }
          if (step % 4 === 0) {
            machine.write(PX_CMD, step % 8 === 0 ? 0x11 : 0x10);
            commands++;
          }
          if (step % 400 === 0) machine.start();
        }
        expect(machine.read(0x0c)).toBe(1);
        const on = machine.read(0x08) === 1 && (machine.read(GHC) & 2) !== 0;
        if (!machine.pci.msiEnabled) expect(machine.lines.isOn(19)).toBe(on);
        machine.start();
        const identify = machine.run({ command: kind === 'ahci-hd' ? 0xec : 0xa1 }, { regions: [512] });
        expect([identify.failed, identify.moved]).toEqual([false, 512]);
      }),
      { numRuns: 25 },
    );
    expect(commands).toBeGreaterThan(1000);
  },
);
