import { allocateMemory, discardMemory } from '../../../../../engine/vmm/memory/allocate-memory';
import { GuestMemory } from '../../../../../engine/vmm/memory/guest-memory';

const MIB = 2 ** 20;

(process.platform === 'linux' ? describe : describe.skip)('RAM', () => {
  test('begins where the host can map 2 MiB at once, and is not there until it is touched', () => {
    const before = process.memoryUsage.rss();
    const regions = allocateMemory(5 * 1024 * MIB);
    expect(regions.map(({ guestAddress, part }) => [guestAddress, part?.length])).toEqual([
      [0, 3 * 1024 * MIB],
      [4 * 1024 * MIB, 2 * 1024 * MIB],
    ]);
    for (const { hostAddress } of regions) expect(hostAddress % BigInt(2 * MIB)).toBe(0n);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
    const memory = new GuestMemory(regions);
    memory.writeU32(4 * 1024 * MIB + 8, 0x1234_5678);
    expect(memory.readU32(4 * 1024 * MIB + 8)).toBe(0x1234_5678);
    expect(memory.readU32(8)).toBe(0);
    expect(() => memory.readU32(3 * 1024 * MIB - 2)).toThrow('which is not its memory');
    discardMemory(regions);
    expect(memory.readU32(4 * 1024 * MIB + 8)).toBe(0);
  });

  test('that the host has not is refused', () => {
    expect(() => allocateMemory(2 ** 50)).toThrow(
      /cannot give the guest 1073741824 MiB of memory: this host has \d+ MiB/,
    );
  });
});
