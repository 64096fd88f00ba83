import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { type DeviceHost, DeviceHost as Host } from '../../../../../engine/vmm/virtio/device-host';
import type { VirtioDevice, VirtioIdentity } from '../../../../../engine/vmm/virtio/device-model';
import type { Virtqueue } from '../../../../../engine/vmm/virtio/virtqueue';
import { eventfds } from '../../../../../native/eventfd';
import { COMMON, STATUS, TestMachine, type TestMachineOptions } from './test-machine';

const IDENTITY: VirtioIdentity = {
  type: 4,
  pciClass: 0xff_0000,
  features: 0b101n,
  queueSizes: [64, 16],
  config: Uint8Array.of(1, 2, 3, 4, 5, 6),
  writableConfig: [{ offset: 2, length: 2 }],
};
const VERSION_1 = 1n << 32n;
const ALL = STATUS.ack | STATUS.driver | STATUS.featuresOk | STATUS.driverOk;

/** Writes down what is asked of it and returns each chain empty. */
class RecordingDevice implements VirtioDevice {
  readonly identity = IDENTITY;
  readonly log: string[] = [];
  queues: ReadonlyArray<Virtqueue | undefined> = [];
  onNotified: ((index: number) => void) | undefined;
  leaving: Promise<void> | undefined;

  activate(queues: ReadonlyArray<Virtqueue | undefined>, features: bigint): void {
    this.queues = queues;
    this.log.push(`activate ${queues.map((queue) => queue?.size)} ${features.toString(16)}`);
  }

  notified(index: number): void {
    this.log.push(`notified ${index}`);
    this.onNotified?.(index);
    const queue = this.queues[index]!;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) queue.push(chain.head, 0);
    queue.signal();
  }

  configWritten(config: Uint8Array): void {
    this.log.push(`config ${[...config]}`);
  }

  deactivate(): void | Promise<void> {
    this.log.push('deactivate');
    return this.leaving;
  }

  close(): void {
    this.log.push('close');
  }
}

const opened: TestMachine[] = [];
afterEach(() => {
  for (const machine of opened.splice(0)) machine.close();
});

function newMachine(options: TestMachineOptions = {}) {
  const machine = new TestMachine(IDENTITY, options);
  opened.push(machine);
  const device = new RecordingDevice();
  const host = new Host(device, machine.channel, machine.surroundings);
  return { machine, device, host, serve: () => serve(machine, host) };
}

/** Does what an event loop would. */
function serve(machine: TestMachine, host: DeviceHost): void {
  if (eventfds.clear(machine.channel.controlEventfd)) host.controlled();
  for (const [index, eventfd] of machine.channel.kickEventfds.entries())
    if (eventfds.clear(eventfd)) host.kicked(index);
}

describe('the start of a device', () => {
  it('goes step by step, and gives the device its queues and features', () => {
    const { machine, device, serve } = newMachine();
    expect(machine.offered).toBe(0b101n | (1n << 28n) | (1n << 29n) | VERSION_1);
    expect(machine.read(COMMON.numQueues)).toBe(2);
    machine.negotiate(0b100n);
    machine.addQueue(0, { size: 32 });
    serve();
    expect(device.log).toEqual([]);
    machine.status |= STATUS.driverOk;
    expect(machine.status).toBe(ALL);
    serve();
    expect(device.log).toEqual(['activate 32, 100000004', 'notified 0']);
  });

  it('is refused with features that were not offered, or with the legacy interface', () => {
    for (const features of [VERSION_1 | 0b10n, 0b101n, VERSION_1 | (1n << 63n)]) {
      const { machine, device, serve } = newMachine();
      machine.status = STATUS.ack | STATUS.driver;
      machine.writeFeatures(features);
      machine.status |= STATUS.featuresOk;
      expect(machine.status).toBe(STATUS.ack | STATUS.driver);
      machine.status |= STATUS.driverOk;
      expect(machine.status).toBe(STATUS.ack | STATUS.driver);
      serve();
      expect(device.log).toEqual([]);
      machine.writeFeatures(VERSION_1);
      machine.status |= STATUS.featuresOk;
      expect(machine.status & STATUS.featuresOk).toBe(STATUS.featuresOk);
    }
  });

  it('keeps features as they were agreed upon', () => {
    const { machine, device, serve } = newMachine();
    machine.negotiate(0b1n);
    machine.writeFeatures(VERSION_1 | 0b100n);
    machine.status |= STATUS.driverOk;
    serve();
    expect(device.log).toEqual(['activate , 100000001']);
  });

  it('serves what was made available and kicked before', () => {
    const { machine, serve } = newMachine();
    machine.negotiate(0n);
    const ring = machine.addQueue(0);
    ring.add([Uint8Array.of(1)], []);
    machine.kick(0);
    serve();
    expect(ring.collect()).toEqual([]);
    machine.status |= STATUS.driverOk;
    serve();
    expect(ring.collect()).toHaveLength(1);
  });

  it('fails for rings outside of memory: the device needs a reset, and can be reset', () => {
    const { machine, device, serve } = newMachine();
    machine.negotiate(0n);
    machine.addQueue(0);
    machine.write(COMMON.queueSelect, 1);
    machine.write(COMMON.queueDesc + 4, 5);
    machine.write(COMMON.queueEnable, 1);
    machine.status |= STATUS.driverOk;
    serve();
    expect(machine.status).toBe(ALL | STATUS.needsReset);
    expect(machine.faults).toMatchObject([{ code: 'HK_GUEST_FAULT' }]);
    expect(device.log).toEqual([]);
    machine.status = 0;
    serve();
    expect(machine.status).toBe(0);
    machine.start();
    serve();
    expect(device.log[0]).toMatch(/^activate 64,16/);
  });
});

describe('queue registers', () => {
  it('take powers of two up to the size of the queue', () => {
    const { machine } = newMachine();
    machine.write(COMMON.queueSelect, 1);
    for (const [written, read] of [
      [8, 8],
      [0, 8],
      [12, 8],
      [32, 8],
      [1, 1],
      [16, 16],
    ] as const) {
      machine.write(COMMON.queueSize, written);
      expect(machine.read(COMMON.queueSize)).toBe(read);
    }
  });

  it('read 0 for a queue that is not there', () => {
    const { machine } = newMachine();
    machine.write(COMMON.queueSelect, 2);
    machine.write(COMMON.queueEnable, 1);
    for (const register of [COMMON.queueSize, COMMON.queueEnable, COMMON.queueDesc, COMMON.queueVector]) {
      expect(machine.read(register)).toBe(0);
    }
  });

  it('stay as they are in an enabled queue', () => {
    const { machine } = newMachine();
    machine.negotiate(0n);
    const ring = machine.addQueue(0, { size: 32 });
    machine.write(COMMON.queueDesc, 0x5000);
    machine.write(COMMON.queueSize, 16);
    machine.write(COMMON.queueEnable, 0);
    expect(machine.read(COMMON.queueDesc)).toBe(ring.layout.descriptorTable);
    expect(machine.read(COMMON.queueSize)).toBe(32);
    expect(machine.read(COMMON.queueEnable)).toBe(1);
  });

  it('cannot be enabled after the start', () => {
    const { machine } = newMachine();
    machine.negotiate(0n);
    machine.status |= STATUS.driverOk;
    machine.addQueue(0);
    expect(machine.read(COMMON.queueEnable)).toBe(0);
  });

  it('refuse vectors that are not in the table', () => {
    const { machine } = newMachine();
    machine.write(COMMON.queueVector, 2);
    machine.write(COMMON.configVector, 3);
    expect([machine.read(COMMON.queueVector), machine.read(COMMON.configVector)]).toEqual([2, 0xffff]);
  });

  it('have no other widths', () => {
    const { machine } = newMachine();
    expect(machine.registers.read(COMMON.queueSize, 4)).toBe(0);
    machine.registers.write(COMMON.queueSelect, 1, 1);
    expect(machine.read(COMMON.queueSelect)).toBe(0);
  });
});

describe('a reset', () => {
  it('is done at once when the device has no queues', () => {
    const { machine } = newMachine();
    machine.negotiate(0b1n);
    machine.addQueue(0);
    machine.writeDeviceConfig(2, 2, 0x0909);
    machine.status = 0;
    expect(machine.status).toBe(0);
    machine.write(COMMON.queueSelect, 0);
    expect([machine.read(COMMON.queueEnable), machine.read(COMMON.queueDesc)]).toEqual([0, 0]);
    expect(machine.read(COMMON.queueVector)).toBe(0xffff);
    expect(machine.readDeviceConfig(0, 4)).toBe(0x04030201);
  });

  it('reads as not done until the device has let go of its queues', async () => {
    const { machine, device, serve } = newMachine();
    machine.start();
    serve();
    let done: () => void = () => undefined;
    device.leaving = new Promise((resolve) => {
      done = resolve;
    });
    machine.status = 0;
    expect(machine.status).toBe(ALL);
    serve();
    machine.status = 0;
    machine.status = STATUS.ack;
    machine.kick(0);
    serve();
    expect(machine.status).toBe(ALL);
    expect(device.log.at(-1)).toBe('deactivate');
    done();
    await device.leaving;
    await Promise.resolve();
    expect(machine.status).toBe(0);
    device.leaving = undefined;
    machine.start();
    serve();
    expect(device.log.filter((line) => line.startsWith('activate'))).toHaveLength(2);
  });

  it('that comes before the device half has looked starts nothing', () => {
    const { machine, device, serve } = newMachine();
    machine.start();
    machine.status = 0;
    serve();
    expect(machine.status).toBe(0);
    expect(device.log).toEqual([]);
  });
});

describe('interrupts', () => {
  it('use the vector of the queue', () => {
    const { machine, serve } = newMachine();
    const [, second] = machine.start();
    second!.add([Uint8Array.of(1)], []);
    machine.kick(1);
    serve();
    expect(machine.messages).toEqual([0x42]);
    expect([machine.pin, machine.readIsr()]).toEqual([false, 0]);
  });

  it('use the pin and the ISR register without MSI-X', () => {
    const { machine, serve } = newMachine();
    machine.negotiate(0n);
    const ring = machine.addQueue(0);
    machine.status |= STATUS.driverOk;
    ring.add([Uint8Array.of(1)], []);
    serve();
    expect(machine.pin).toBe(true);
    expect(machine.readIsr()).toBe(1);
    expect(machine.pin).toBe(false);
    expect(machine.readIsr()).toBe(0);
  });

  it('use the one message of plain MSI', () => {
    const { machine, serve } = newMachine({ interrupts: 'msi' });
    machine.negotiate(0n);
    const ring = machine.addQueue(0);
    for (let at = machine.pci.readConfig(0x34, 1); at !== 0; at = machine.pci.readConfig(at + 1, 1)) {
      if (machine.pci.readConfig(at, 1) !== 0x05) continue;
      machine.pci.writeConfig(at + 12, 2, 0x77);
      machine.pci.writeConfig(at + 2, 2, 1);
    }
    machine.status |= STATUS.driverOk;
    ring.add([Uint8Array.of(1)], []);
    serve();
    expect(machine.messages).toEqual([0x77]);
    expect([machine.pin, machine.readIsr()]).toEqual([false, 1]);
  });

  it('end with the reset', () => {
    const { machine, serve } = newMachine();
    machine.negotiate(0n);
    machine.addQueue(0).add([Uint8Array.of(1)], []);
    machine.status |= STATUS.driverOk;
    serve();
    expect(machine.pin).toBe(true);
    machine.status = 0;
    serve();
    expect(machine.pin).toBe(false);
  });
});

describe('a fault of the driver', () => {
  const fault = new EngineError('HK_GUEST_FAULT', 'broken');

  it('stops the device, which says that it needs a reset, and works after that', () => {
    const { machine, device, serve } = newMachine();
    machine.start();
    serve();
    device.onNotified = () => {
      throw fault;
    };
    machine.kick(0);
    serve();
    expect(machine.status).toBe(ALL | STATUS.needsReset);
    expect(machine.messages).toEqual([0x40]);
    expect(machine.faults).toEqual([fault]);
    expect(device.log.at(-1)).toBe('deactivate');
    machine.kick(1);
    serve();
    expect(device.log.at(-1)).toBe('deactivate');
    device.onNotified = undefined;
    machine.status = 0;
    serve();
    const [ring] = machine.start();
    ring!.add([Uint8Array.of(1)], []);
    serve();
    expect(ring!.collect()).toHaveLength(1);
  });

  it('that comes again and again is not told again and again', () => {
    const { machine, device, serve } = newMachine();
    device.onNotified = () => {
      throw fault;
    };
    for (let time = 0; time < 30; time++) {
      machine.start();
      serve();
      expect(machine.status & STATUS.needsReset).not.toBe(0);
      machine.status = 0;
      serve();
    }
    expect(machine.faults).toHaveLength(10);
  });

  it('may be found at any time', () => {
    const { machine, device, serve } = newMachine();
    machine.start();
    serve();
    device.queues[0]!.fail(fault);
    expect(machine.status).toBe(ALL);
    serve();
    expect(machine.status).toBe(ALL | STATUS.needsReset);
  });
});

describe('the configuration space', () => {
  it('takes writes where the device has fields for them, and tells the device', () => {
    const { machine, device, serve } = newMachine();
    machine.start();
    serve();
    machine.writeDeviceConfig(0, 4, 0x0a0b0c0d);
    serve();
    expect(device.log.at(-1)).toBe('config 1,2,11,10,5,6');
    expect(machine.readDeviceConfig(4, 4)).toBe(0x0605);
    expect(machine.readDeviceConfig(100, 4)).toBe(0);
  });

  it('changes with a new generation and an interrupt', () => {
    const { machine, host, serve } = newMachine();
    machine.start();
    serve();
    const before = machine.read(COMMON.generation);
    host.changeConfig(4, Uint8Array.of(9));
    expect(machine.readDeviceConfig(4, 1)).toBe(9);
    expect(machine.read(COMMON.generation)).not.toBe(before);
    expect(machine.messages).toEqual([0x40]);
    machine.status = 0;
    serve();
    expect(machine.readDeviceConfig(4, 1)).toBe(9);
  });
});

describe('kicks', () => {
  it('follow the BAR', () => {
    const assigned = new Map<number, number>();
    const kicks = {
      assign: (address: number, eventfd: number) => void assigned.set(address, eventfd),
      remove: (address: number) => void assigned.delete(address),
    };
    const { machine } = newMachine({ kicks });
    const [first, second] = machine.channel.kickEventfds as [number, number];
    expect([...assigned]).toEqual([
      [0xc000_3000, first],
      [0xc000_3004, second],
    ]);
    machine.pci.writeConfig(0x10, 4, 0xd000_0000);
    expect([...assigned]).toEqual([
      [0xd000_3000, first],
      [0xd000_3004, second],
    ]);
    machine.pci.writeConfig(0x04, 2, 0);
    expect([...assigned]).toEqual([]);
  });

  it('for queues that are not there do nothing', () => {
    const { machine } = newMachine();
    machine.registers.write(0x3008, 2, 2);
    machine.registers.write(0x3002, 2, 0);
    expect(machine.channel.kickEventfds.map((eventfd) => eventfds.clear(eventfd))).toEqual([false, false]);
  });
});

describe('the window in PCI configuration space', () => {
  function findWindow({ pci }: TestMachine): number {
    for (let at = pci.readConfig(0x34, 1); at !== 0; at = pci.readConfig(at + 1, 1)) {
      if (pci.readConfig(at, 1) === 0x09 && pci.readConfig(at + 3, 1) === 5) return at;
    }
    throw new Error('no window');
  }

  it('reads and writes registers', () => {
    const { machine } = newMachine();
    const { pci } = machine;
    const at = findWindow(machine);
    pci.writeConfig(at + 4, 1, 0);
    pci.writeConfig(at + 8, 4, COMMON.numQueues);
    pci.writeConfig(at + 12, 4, 2);
    expect(pci.readConfig(at + 16, 2)).toBe(2);
    expect([pci.readConfig(at + 4, 1), pci.readConfig(at + 8, 4), pci.readConfig(at + 12, 4)]).toEqual([0, 18, 2]);
    pci.writeConfig(at + 8, 4, COMMON.status);
    pci.writeConfig(at + 12, 4, 1);
    pci.writeConfig(at + 16, 1, STATUS.ack);
    expect(machine.status).toBe(STATUS.ack);
    expect(pci.readConfig(at + 2, 2)).toBe(0x0514);
  });

  it('reaches the MSI-X table, and nothing that is not there', () => {
    const { machine } = newMachine();
    const { pci } = machine;
    const at = findWindow(machine);
    const select = (bar: number, offset: number, length: number) => {
      pci.writeConfig(at + 4, 1, bar);
      pci.writeConfig(at + 8, 4, offset);
      pci.writeConfig(at + 12, 4, length);
    };
    select(1, 12, 4);
    expect(pci.readConfig(at + 16, 4)).toBe(1);
    for (const [bar, offset, length] of [
      [0, 0x4000, 4],
      [1, 0x1000, 4],
      [2, 0, 4],
      [0, 1, 4],
      [0, 0, 3],
      [0, 0, 0],
    ]) {
      select(bar!, offset!, length!);
      expect(pci.readConfig(at + 16, 4)).toBe(0);
      pci.writeConfig(at + 16, 4, 1);
    }
  });
});

it('takes any accesses in any order, and a device half that looks now and then', () => {
  const offset = fc.oneof(
    { weight: 4, arbitrary: fc.nat({ max: 60 }) },
    { weight: 1, arbitrary: fc.nat({ max: 0x3fff }) },
    { weight: 1, arbitrary: fc.constantFrom(0x1000, 0x2000, 0x2002, 0x3000, 0x3004) },
  );
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.nat({ max: 0xff }) },
    { weight: 1, arbitrary: fc.nat({ max: 0xffff_ffff }) },
  );
  const step = fc.record({
    kind: fc.constantFrom('write', 'read', 'config', 'serve', 'start'),
    offset,
    size: fc.constantFrom<1 | 2 | 4>(1, 2, 4),
    value,
  });
  let activations = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const { machine, device, serve } = newMachine();
      for (const one of steps) {
        const at = Math.min(one.offset, 0x4000 - one.size);
        if (one.kind === 'write') machine.registers.write(at, one.size, one.value);
        else if (one.kind === 'read') {
          const read = machine.registers.read(at, one.size);
          if (!(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * one.size))) throw new Error(`read ${read}`);
        } else if (one.kind === 'config') machine.pci.writeConfig(at % (0x100 - one.size), one.size, one.value);
        else if (one.kind === 'serve') serve();
        else if (machine.status === 0) {
          machine.negotiate(0n);
          machine.status |= STATUS.driverOk;
        }
      }
      serve();
      const turns = device.log.filter((line) => line.startsWith('activate') || line === 'deactivate');
      activations += turns.length;
      for (const [index, line] of turns.entries()) {
        if ((line === 'deactivate') !== (index % 2 === 1)) throw new Error(device.log.join('\n'));
      }
      // Whatever happened, a reset works.
      machine.status = 0;
      serve();
      if (machine.status !== 0) throw new Error('not reset');
      for (const fault of machine.faults) if (!(fault instanceof EngineError)) throw fault;
      opened.pop()!.close();
    }),
    { numRuns: 5_000 },
  );
  expect(activations).toBeGreaterThan(1_000);
});
