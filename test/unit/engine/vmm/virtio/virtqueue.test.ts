import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { GuestMemory } from '../../../../../engine/vmm/memory/guest-memory';
import { type DescriptorChain, Virtqueue } from '../../../../../engine/vmm/virtio/virtqueue';
import {
  DriverRing,
  type DriverRingOptions,
  fakeMemory,
  fakeRegion,
  INDIRECT,
  NEXT,
  type RawDescriptor,
  WRITE,
  writeDescriptor,
} from './driver-ring';

const MEMORY_BYTES = 0x20_0000;

function newQueue(options: DriverRingOptions = {}) {
  const driver = new DriverRing(fakeMemory(MEMORY_BYTES), options);
  const seen = { interrupts: 0 };
  const queue = new Virtqueue(driver.memory, driver.layout, () => void seen.interrupts++);
  return { driver, queue, seen };
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function readAll(queue: Virtqueue, chain: DescriptorChain): number[] {
  return chain.readable.flatMap(({ address, length }) => [...queue.memory.slice(address, length)]);
}

function guestFault(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof EngineError && error.code === 'HK_GUEST_FAULT') return error.message;
    throw error;
  }
  throw new Error('no fault');
}

describe.each([
  ['direct', false],
  ['indirect', true],
])('%s descriptors', (_name, indirect) => {
  it('carry bytes to the device and back', () => {
    const { driver, queue } = newQueue({ indirect });
    driver.add([bytes(1, 2), bytes(3)], [4, 2], { indirect });
    const chain = queue.pop()!;
    expect(readAll(queue, chain)).toEqual([1, 2, 3]);
    expect(chain).toMatchObject({ readableBytes: 3, writableBytes: 6 });
    queue.memory.slice(chain.writable[0]!.address, 4).set([9, 8, 7, 6]);
    queue.push(chain.head, 4);
    expect(queue.pop()).toBeUndefined();
    expect(driver.collect()).toEqual([{ head: 0, written: 4, bytes: Buffer.of(9, 8, 7, 6, 0xee, 0xee) }]);
  });
});

it('follows chains whose tables and buffers lie in different regions', () => {
  const high = 0x1_0000_0000;
  const memory = new GuestMemory([fakeRegion(0x1_0000), fakeRegion(0x1_0000, high)]);
  const driver = new DriverRing(memory, { indirect: true, bytes: 0x8000 });
  const queue = new Virtqueue(memory, driver.layout, () => undefined);
  const table = { address: high + 0x100, length: 48, flags: INDIRECT, next: 0 };
  const buffers = [
    { address: 0x9000, length: 1 },
    { address: high + 0x9000, length: 2 },
    { address: 0xa000, length: 3 },
  ];
  for (const [index, buffer] of buffers.entries()) {
    const flags = index < 2 ? NEXT : 0;
    writeDescriptor(memory, table.address + 16 * index, { ...buffer, flags, next: index + 1 });
  }
  writeDescriptor(memory, driver.layout.descriptorTable, table);
  driver.announce(0);
  expect(queue.pop()!.readable).toEqual(buffers);
});

it('goes on past the end of its 16-bit indices', () => {
  const { driver, queue } = newQueue({ size: 4 });
  for (let round = 0; round < 70_000; round++) {
    driver.add([bytes(round & 0xff)], [1]);
    const chain = queue.pop()!;
    if (queue.memory.slice(chain.readable[0]!.address, 1)[0] !== (round & 0xff)) throw new Error(`round ${round}`);
    queue.push(chain.head, 1);
    if (driver.collect().length !== 1) throw new Error(`round ${round}`);
  }
});

it('tells the driver in the middle of a turn when many bytes have moved', () => {
  const { driver, queue, seen } = newQueue({ eventIndex: true });
  const pushAll = (lengths: readonly number[]): number[] => {
    driver.wantInterrupts(true);
    for (const _ of lengths) driver.add([bytes(1)], []);
    const before = seen.interrupts;
    const counts = lengths.map((length) => {
      queue.push(queue.pop()!.head, 0);
      queue.signalEarly(length);
      return seen.interrupts - before;
    });
    queue.signal();
    driver.collect();
    return [...counts, seen.interrupts - before];
  };
  expect(pushAll([0x1_0000])).toEqual([1, 1]);
  expect(pushAll([0x7fff, 0x8000])).toEqual([0, 0, 1]);
  // What was signalled at the end of a turn counts no more.
  expect(pushAll([0x7fff, 0x8000, 1])).toEqual([0, 0, 1, 1]);
});

it('gives a popped chain again after unpop', () => {
  const { driver, queue } = newQueue();
  driver.add([bytes(1)], []);
  driver.add([bytes(2)], []);
  const popped = [queue.pop()!, queue.pop()!].map((chain) => chain.head);
  queue.unpop();
  queue.unpop();
  expect([queue.pop()!.head, queue.pop()!.head]).toEqual(popped);
});

it('shows chains that are staged together with the one that is pushed after them', () => {
  const { driver, queue } = newQueue();
  for (const length of [1, 2, 3]) driver.add([], [length]);
  const heads = [queue.pop()!, queue.pop()!, queue.pop()!].map((chain) => chain.head);
  queue.stage(heads[0]!, 1);
  queue.stage(heads[1]!, 2);
  expect(driver.collect()).toEqual([]);
  queue.push(heads[2]!, 3);
  expect(driver.collect().map(({ written }) => written)).toEqual([1, 2, 3]);
});

it('drops empty buffers', () => {
  const { driver, queue } = newQueue();
  driver.add([bytes(), bytes(7)], [0]);
  expect(queue.pop()).toMatchObject({ readable: [{ length: 1 }], writable: [] });
});

describe.each([
  ['flags', false],
  ['EVENT_IDX', true],
])('notifications with %s', (_name, eventIndex) => {
  it('interrupt once for a batch, and only if the driver wants it', () => {
    const { driver, queue, seen } = newQueue({ eventIndex });
    const serve = () => {
      for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) queue.push(chain.head, 0);
      queue.signal();
      driver.collect();
    };
    driver.wantInterrupts(true);
    driver.add([bytes(1)], []);
    driver.add([bytes(2)], []);
    serve();
    expect(seen.interrupts).toBe(1);
    queue.signal();
    expect(seen.interrupts).toBe(1);
    driver.wantInterrupts(false);
    driver.add([bytes(3)], []);
    serve();
    expect(seen.interrupts).toBe(1);
    driver.wantInterrupts(true);
    driver.add([bytes(4)], []);
    serve();
    expect(seen.interrupts).toBe(2);
  });

  it('tell of each chain that comes while the device sleeps, and of none while it works', () => {
    const { driver, queue } = newQueue({ eventIndex });
    expect(queue.wantKicks()).toBe(false);
    driver.add([bytes(1)], []);
    expect(driver.needsKick()).toBe(true);
    queue.suppressKicks();
    queue.pop();
    driver.add([bytes(2)], []);
    expect(driver.needsKick()).toBe(false);
    expect(queue.wantKicks()).toBe(true);
    queue.pop();
    expect(queue.wantKicks()).toBe(false);
    driver.add([bytes(3)], []);
    expect(driver.needsKick()).toBe(true);
  });

  it('are not asked for by a chain that the device gave back', () => {
    const { driver, queue } = newQueue({ eventIndex });
    driver.add([bytes(1)], []);
    expect(driver.needsKick()).toBe(true);
    queue.pop();
    queue.unpop();
    expect(queue.wantKicks()).toBe(false);
    driver.add([bytes(2)], []);
    expect(driver.needsKick()).toBe(true);
    queue.pop();
    queue.unpop();
    expect(queue.wantKicks()).toBe(true);
    expect(queue.wantKicks()).toBe(false);
  });
});

describe('a broken driver', () => {
  const layout = { size: 16, descriptorTable: 0x1000, availableRing: 0x2000, usedRing: 0x3000 };
  const features = { indirect: true, eventIndex: false };

  it.each([
    ['a size that is no power of two', { ...layout, size: 12 }],
    ['a size of 0', { ...layout, size: 0 }],
    ['a size of 65536', { ...layout, size: 0x1_0000 }],
    ['a table that is not aligned', { ...layout, descriptorTable: 0x1008 }],
    ['a ring that is not aligned', { ...layout, usedRing: 0x3002 }],
    ['a ring beyond memory', { ...layout, availableRing: MEMORY_BYTES - 8 }],
    ['a table beyond memory', { ...layout, descriptorTable: 2 ** 52 }],
  ])('may not have %s', (_name, broken) => {
    guestFault(() => new Virtqueue(fakeMemory(MEMORY_BYTES), { ...broken, ...features }, () => undefined));
  });

  function chainOf(...descriptors: readonly Partial<RawDescriptor>[]): () => unknown {
    const { driver, queue } = newQueue({ indirect: true });
    for (const [index, one] of descriptors.entries()) {
      const descriptor = { address: 0x8000, length: 16, flags: 0, next: index + 1, ...one };
      writeDescriptor(driver.memory, driver.layout.descriptorTable + 16 * index, descriptor);
      // The same as an indirect table at 0x8000.
      writeDescriptor(driver.memory, 0x8000 + 16 * index, descriptor);
    }
    driver.announce(0);
    return () => queue.pop();
  }

  it.each([
    ['runs in a circle', chainOf({ flags: NEXT, next: 0 }), /does not end/],
    ['leaves the table', chainOf({ flags: NEXT, next: 16 }), /descriptor 16/],
    ['leaves memory', chainOf({ address: MEMORY_BYTES - 8 }), /not its memory/],
    ['is at an address of 2^63', chainOf({ address: 2 ** 63 }), /not its memory/],
    ['reads after it writes', chainOf({ flags: WRITE | NEXT }, {}), /after a writable/],
    ['has an indirect table with half a descriptor', chainOf({ flags: INDIRECT, length: 24 }), /24 bytes/],
    ['has an indirect table of nothing', chainOf({ flags: INDIRECT, length: 0 }), /0 bytes/],
    ['has an indirect table beyond memory', chainOf({ flags: INDIRECT, address: MEMORY_BYTES }), /not its memory/],
    ['goes on after an indirect table', chainOf({ flags: INDIRECT | NEXT }), /not the last/],
    ['nests indirect tables', chainOf({ flags: INDIRECT }), /where none may be/],
  ])('has a chain that %s', (_name, pop, message) => {
    expect(guestFault(pop)).toMatch(message);
  });

  it('may not use indirect tables without having asked for them', () => {
    const { driver, queue } = newQueue({ indirect: false });
    driver.add([bytes(1)], [], { indirect: true });
    expect(guestFault(() => queue.pop())).toMatch(/where none may be/);
  });

  it('may not announce more chains than the ring has', () => {
    const { driver, queue } = newQueue();
    driver.memory.storeU16(driver.layout.availableRing + 2, 17);
    expect(guestFault(() => queue.pop())).toMatch(/runs ahead/);
    expect(guestFault(() => queue.wantKicks())).toMatch(/runs ahead/);
  });

  it('may not have a chain of 4 GiB, nor an endless indirect table', () => {
    const { driver, queue } = newQueue({ indirect: true });
    const table = 0x10_0000;
    for (let index = 0; index < 2000; index++) {
      const descriptor = { address: 0, length: MEMORY_BYTES, flags: NEXT | WRITE, next: index + 1 };
      writeDescriptor(driver.memory, table + 16 * index, descriptor);
    }
    const head = { address: table, length: 16 * 2000, flags: INDIRECT, next: 0 };
    writeDescriptor(driver.memory, driver.layout.descriptorTable, head);
    driver.announce(0);
    expect(guestFault(() => queue.pop())).toMatch(/does not end/);
  });

  it('may not have a buffer across the hole between two regions', () => {
    const memory = new GuestMemory([fakeRegion(0x1_0000), fakeRegion(0x1_0000, 0x2_0000)]);
    const driver = new DriverRing(memory, { bytes: 0x8000 });
    const queue = new Virtqueue(memory, driver.layout, () => undefined);
    writeDescriptor(memory, driver.layout.descriptorTable, { address: 0xfff8, length: 16, flags: 0, next: 0 });
    driver.announce(0);
    expect(guestFault(() => queue.pop())).toMatch(/16 bytes at 0xfff8/);
  });
});

/** Numbers near the edges of what they mean, more often than others. */
const edgy = (...edges: readonly number[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...edges) }, { weight: 1, arbitrary: fc.nat({ max: 0xffff_ffff }) });

it('answers any memory with chains inside of it or the fault of the guest, and ends', () => {
  const size = 8;
  const sizeBytes = 0x4000;
  const descriptor = fc.record({
    address: edgy(0, 0x1000, 0x2000, sizeBytes - 16, sizeBytes - 1, sizeBytes),
    high: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 0xffff_ffff }) }),
    length: edgy(0, 1, 16, 32, 48, 128, 1024, sizeBytes, 0xffff_ffff),
    flags: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 7 }) }, { weight: 1, arbitrary: fc.nat({ max: 0xffff }) }),
    next: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: size }) }, { weight: 1, arbitrary: fc.nat({ max: 0xffff }) }),
  });
  const ring = fc.record({
    direct: fc.array(descriptor, { maxLength: size }),
    indirect: fc.array(descriptor, { maxLength: 2 * size }),
    heads: fc.array(fc.nat({ max: size }), { maxLength: size }),
    index: fc.oneof({ weight: 4, arbitrary: fc.nat({ max: size }) }, { weight: 1, arbitrary: fc.nat({ max: 0xffff }) }),
    hasIndirect: fc.boolean(),
    eventIndex: fc.boolean(),
  });
  const memory = fakeMemory(sizeBytes);
  let chains = 0;
  fc.assert(
    fc.property(ring, ({ direct, indirect, heads, index, hasIndirect, eventIndex }) => {
      memory.slice(0, sizeBytes).fill(0);
      const put = (base: number, descriptors: typeof direct) => {
        for (const [at, one] of descriptors.entries()) {
          writeDescriptor(memory, base + 16 * at, { ...one, address: one.high * 2 ** 32 + one.address });
        }
      };
      put(0, direct);
      put(0x1000, indirect);
      for (const [at, head] of heads.entries()) memory.writeU16(0x804 + 2 * at, head);
      memory.storeU16(0x802, index);
      const layout = { size, descriptorTable: 0, availableRing: 0x800, usedRing: 0xc00, indirect: hasIndirect };
      const queue = new Virtqueue(memory, { ...layout, eventIndex }, () => undefined);
      try {
        for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
          chains++;
          let readable = 0;
          let writable = 0;
          for (const one of chain.readable) readable += memory.slice(one.address, one.length).length;
          for (const one of chain.writable) writable += memory.slice(one.address, one.length).length;
          if (readable !== chain.readableBytes || writable !== chain.writableBytes) throw new Error('wrong sums');
          if (chain.readable.length + chain.writable.length > 1024) throw new Error('too long');
          queue.push(chain.head, 0);
          queue.signal();
        }
        queue.wantKicks();
      } catch (error) {
        if (!(error instanceof EngineError && error.code === 'HK_GUEST_FAULT')) throw error;
      }
    }),
    { numRuns: 20_000 },
  );
  // The generator makes enough of what is right, too.
  expect(chains).toBeGreaterThan(2_000);
});

it('returns each chain of any honest driver once, in any order, and interrupts as often as it must', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      readable: fc.array(fc.nat({ max: 40 }), { maxLength: 3 }),
      writable: fc.array(fc.nat({ max: 40 }), { maxLength: 3 }),
      indirect: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('pop' as const) }),
    fc.record({ kind: fc.constant('unpop' as const) }),
    fc.record({ kind: fc.constant('push' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('collect' as const) }),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 100 }), (eventIndex, steps) => {
      const memory = fakeMemory(0x1_0000);
      const driver = new DriverRing(memory, { size: 8, indirect: true, eventIndex, bytes: 0xf000 });
      let interrupts = 0;
      const queue = new Virtqueue(memory, driver.layout, () => void interrupts++);
      const popped: DescriptorChain[] = [];
      let added = 0;
      let returned = 0;
      let canUnpop = false;
      driver.wantInterrupts(true);
      const collect = () => {
        const due = queueHasNews();
        queue.signal();
        if (due && interrupts === 0) throw new Error('the driver was not told');
        returned += driver.collect().length;
        interrupts = 0;
        driver.wantInterrupts(true);
      };
      let pushed = 0;
      const queueHasNews = () => pushed > returned;
      for (const one of steps) {
        if (one.kind === 'add') {
          const needed = one.readable.length + one.writable.length;
          if (needed === 0 || driver.underWay + needed > 8 - driver.underWay) continue;
          try {
            driver.add(
              one.readable.map((length) => new Uint8Array(length)),
              one.writable,
              one,
            );
            added++;
          } catch (error) {
            if (!(error instanceof RangeError)) throw error;
          }
        } else if (one.kind === 'pop') {
          const chain = queue.pop();
          if (chain !== undefined) popped.push(chain);
          canUnpop = chain !== undefined;
        } else if (one.kind === 'unpop' && canUnpop) {
          queue.unpop();
          popped.pop();
          canUnpop = false;
        } else if (one.kind === 'push' && popped.length > 0) {
          const [chain] = popped.splice(one.which % popped.length, 1);
          queue.push(chain!.head, chain!.writableBytes);
          pushed++;
          canUnpop = false;
        } else if (one.kind === 'collect') {
          collect();
        }
      }
      for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) popped.push(chain);
      for (const chain of popped) {
        queue.push(chain.head, 0);
        pushed++;
      }
      collect();
      expect(returned).toBe(added);
      expect(driver.underWay).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});
