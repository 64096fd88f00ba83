import fc from 'fast-check';
import { E820_RAM, makeE820 } from '../../../../../engine/vmm/boot/e820';
import { planMemory } from '../../../../../engine/vmm/memory/allocate-memory';

const GIB = 2 ** 30;
const regionsOf = (bytes: number) =>
  planMemory(bytes).map((region) => ({
    guestAddress: region.guestAddress,
    bytes: new SharedArrayBuffer(0),
    part: { offset: 0, length: region.bytes },
  }));

test('a PC of 1 GiB', () => {
  expect(makeE820(regionsOf(GIB))).toEqual([
    { address: 0, bytes: 0x9_fc00, type: 1 },
    { address: 0x9_fc00, bytes: 0x6_0400, type: 2 },
    { address: 0x10_0000, bytes: GIB - 0x10_0000, type: 1 },
  ]);
});

test('what has no room below 3 GiB goes on at 4 GiB, without two regions that touch', () => {
  expect(makeE820(regionsOf(8 * GIB)).slice(2)).toEqual([
    { address: 0x10_0000, bytes: 3 * GIB - 0x10_0000, type: 1 },
    { address: 4 * GIB, bytes: 3 * GIB - 4096, type: 1 },
    { address: 7 * GIB, bytes: 2 * GIB, type: 1 },
  ]);
});

test('every byte of RAM is named once, but for the pages between regions', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 100 * 1024 }), (mebibytes) => {
      const bytes = mebibytes * 2 ** 20;
      const regions = regionsOf(bytes);
      const entries = makeE820(regions);
      const ram = entries.filter(({ type }) => type === E820_RAM).reduce((sum, entry) => sum + entry.bytes, 0);
      const gaps = Math.max(0, regions.length - 2) * 4096;
      expect(ram).toBe(bytes - gaps - 0x6_0400);
      for (const [index, { address, bytes: length }] of entries.entries()) {
        expect(length).toBeGreaterThan(0);
        expect(entries[index + 1]?.address ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(address + length);
      }
    }),
  );
});
