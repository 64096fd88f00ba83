import fc from 'fast-check';
import { allocateMemory } from '../../../../../../engine/vmm/memory/allocate-memory';
import { GuestMemory } from '../../../../../../engine/vmm/memory/guest-memory';
import { VirtioBalloon } from '../../../../../../engine/vmm/virtio/balloon/virtio-balloon';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { libc } from '../../../../../../native/libc';
import { DriverRing, NEXT, WRITE, writeDescriptor } from '../driver-ring';

const PAGE = 4096;
const MEMORY_BYTES = 16 * 1024 * 1024;
const RINGS_END = 0x20_0000;

function open() {
  const memory = new GuestMemory(allocateMemory(MEMORY_BYTES));
  const discarded: [bigint, number][] = [];
  const balloon = new VirtioBalloon((address, length) => {
    discarded.push([address - memory.hostAddress(0, 1), length]);
    libc.discardPages(address, length);
  });
  const rings = [0x1000, 0x8_0000, 0x10_0000].map((base) => new DriverRing(memory, { base, bytes: 0x7_0000 }));
  balloon.activate(rings.map(({ layout }) => new Virtqueue(memory, layout, () => undefined)));
  /** Free pages, as Linux reports them. */
  const report = (...ranges: ReadonlyArray<readonly [address: number, length: number]>): void => {
    const ring = rings[2]!;
    for (const [index, [address, length]] of ranges.entries()) {
      const isLast = index === ranges.length - 1;
      const flags = WRITE | (isLast ? 0 : NEXT);
      writeDescriptor(memory, ring.layout.descriptorTable + 16 * index, { address, length, flags, next: index + 1 });
    }
    ring.announce(0);
    balloon.notified(2);
  };
  return { memory, balloon, discarded, rings, report };
}

test('gives back what the guest reports as free, whole pages of it and nothing else', () => {
  const { memory, report, discarded, balloon } = open();
  memory.slice(RINGS_END, MEMORY_BYTES - RINGS_END).fill(0xaa);
  report([RINGS_END + 100, 3 * PAGE], [8 * 1024 * 1024, 1024 * 1024], [RINGS_END, PAGE - 1]);
  expect(discarded).toEqual([
    [BigInt(RINGS_END + PAGE), 2 * PAGE],
    [8n * 1024n * 1024n, 1024 * 1024],
  ]);
  expect(balloon.discardedBytes).toBe(1024 * 1024 + 2 * PAGE);
  expect(memory.slice(8 * 1024 * 1024, 1024 * 1024).every((byte) => byte === 0)).toBe(true);
  expect(memory.slice(RINGS_END, PAGE).every((byte) => byte === 0xaa)).toBe(true);
  expect(memory.slice(RINGS_END + 3 * PAGE, PAGE).every((byte) => byte === 0xaa)).toBe(true);
});

test('takes pages by number, and lets them go', () => {
  const { balloon, rings, discarded } = open();
  const frames = Buffer.alloc(9);
  frames.writeUInt32LE(0x300, 0);
  frames.writeUInt32LE(0x301, 4);
  for (const index of [0, 1]) {
    rings[index]!.add([frames], []);
    balloon.notified(index);
    expect(rings[index]!.collect()).toHaveLength(1);
  }
  expect(discarded).toEqual([
    [0x300n * 4096n, PAGE],
    [0x301n * 4096n, PAGE],
  ]);
});

test('touches nothing outside of the guest, whatever it says', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 20 }), (numbers) => {
      const { balloon, rings, discarded } = open();
      const frames = Buffer.alloc(4 * numbers.length + 1);
      for (const [index, number] of numbers.entries()) frames.writeUInt32LE(number, 4 * index);
      rings[0]!.add([frames], []);
      try {
        balloon.notified(0);
      } catch (error) {
        expect(error).toMatchObject({ code: 'HK_GUEST_FAULT' });
      }
      for (const [address, length] of discarded) {
        expect(address >= 0n && address + BigInt(length) <= BigInt(MEMORY_BYTES)).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});
