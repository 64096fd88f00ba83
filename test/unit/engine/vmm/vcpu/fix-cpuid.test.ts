import fc from 'fast-check';
import {
  CPUID_MAX_ENTRIES,
  type CpuidEntry,
  decodeCpuidTable,
  emptyCpuidTable,
  encodeCpuidTable,
} from '../../../../../engine/vmm/vcpu/cpuid-table';
import { fixCpuid } from '../../../../../engine/vmm/vcpu/fix-cpuid';

const word = fc.nat(0xffff_ffff);
const entry: fc.Arbitrary<CpuidEntry> = fc.record({
  function: fc.oneof(
    word,
    fc.constantFrom(0, 1, 4, 6, 7, 0xa, 0xb, 0x1f, 0x8000_0001, 0x8000_0008, 0x8000_001d, 0x8000_001e),
  ),
  index: word,
  flags: word,
  eax: word,
  ebx: word,
  ecx: word,
  edx: word,
});
const wishes = fc.integer({ min: 1, max: 64 }).chain((vcpus) =>
  fc.record({
    vcpus: fc.constant(vcpus),
    apicId: fc.integer({ min: 0, max: vcpus - 1 }),
    x2apic: fc.boolean(),
    tscDeadline: fc.boolean(),
  }),
);
const leaf = (number: number, registers: Partial<CpuidEntry> = {}): CpuidEntry => ({
  ...{ function: number, index: 0, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 },
  ...registers,
});
const one = { apicId: 0, vcpus: 1, x2apic: false, tscDeadline: true };
const fix = (entries: readonly CpuidEntry[], change: Partial<typeof one> = {}) =>
  fixCpuid(entries, { ...one, ...change });
const all = 0xffff_ffff;

test('a table goes through its bytes unchanged', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 50 }), (entries) => {
      expect(decodeCpuidTable(encodeCpuidTable(entries))).toEqual(entries);
    }),
  );
  expect(decodeCpuidTable(emptyCpuidTable())).toHaveLength(CPUID_MAX_ENTRIES);
});

test('leaf 1: who it is, and what has nothing behind it', () => {
  const [fixed] = fix([leaf(1, { ebx: all, ecx: all, edx: all })], { apicId: 2, vcpus: 3, tscDeadline: false });
  expect(fixed?.ebx).toBe(0x0204_08ff);
  // VMX, PDCM, x2APIC and TSC deadline are off.
  expect(all - (fixed?.ecx ?? 0)).toBe((1 << 5) + (1 << 15) + (1 << 21) + (1 << 24));
  expect((fixed?.edx ?? 0) & (1 << 28)).not.toBe(0);
});

test('a guest learns that it is one, and gets what was asked for', () => {
  const [fixed] = fix([leaf(1, { ecx: 1 << 21, edx: all })], { x2apic: true });
  expect(fixed?.ecx).toBe(2 ** 31 + (1 << 24) + (1 << 21));
  expect((fixed?.edx ?? 0) & (1 << 28)).toBe(0);
  // KVM that has no x2APIC can't be made to have it.
  expect(fix([leaf(1)], { x2apic: true, tscDeadline: false })[0]?.ecx).toBe(2 ** 31);
});

test('topology: a socket with a core for each vCPU', () => {
  const fixed = fix([leaf(0, { eax: 0xd }), leaf(0xb, { edx: 77 })], { apicId: 4, vcpus: 6 });
  expect(fixed.filter(({ function: number }) => number === 0xb)).toEqual([
    leaf(0xb, { index: 0, flags: 1, eax: 0, ebx: 1, ecx: 0x100, edx: 4 }),
    leaf(0xb, { index: 1, flags: 1, eax: 3, ebx: 6, ecx: 0x201, edx: 4 }),
    leaf(0xb, { index: 2, flags: 1, eax: 0, ebx: 0, ecx: 2, edx: 4 }),
  ]);
  expect(fixed.some(({ function: number }) => number === 0x1f)).toBe(false);
  // Level 1 belongs to a core, level 3 to all; so many cores are there.
  const caches = [leaf(4, { eax: 0x21 }), leaf(4, { index: 3, eax: 0x63 }), leaf(4, { index: 4, eax: 0 })];
  expect(fix(caches, { vcpus: 4 }).map(({ eax }) => [(eax >>> 14) & 0xfff, eax >>> 26])).toEqual([
    [0, 3],
    [3, 3],
    [0, 0],
  ]);
});

test('features whose registers KVM lacks are hidden', () => {
  expect(fix([leaf(6, { eax: 0x07, ecx: 0x09 })])[0]).toMatchObject({ eax: 0x05, ecx: 0x01 });
  expect(fix([leaf(0xa, { eax: 0x0730_0001, edx: 5 })])[0]).toMatchObject({ eax: 0, edx: 0 });
  expect(fix([leaf(0xa, { eax: 0x0730_0402, edx: 5 })])[0]).toMatchObject({ eax: 0x0730_0402, edx: 5 });
  expect(fix([leaf(0x8000_0001, { ecx: 0x5 })])[0]).toMatchObject({ ecx: 0x1 });
});

test('AMD: number of cores, and where this one is', () => {
  expect(fix([leaf(0x8000_0008, { ecx: 0x0003_700f })], { vcpus: 6 })[0]?.ecx).toBe(0x0003_3005);
  expect(fix([leaf(0x8000_001e, { eax: 9, ebx: 9, ecx: 9 })], { apicId: 3, vcpus: 4 })[0]).toMatchObject({
    eax: 3,
    ebx: 3,
    ecx: 0,
  });
});

test('whatever KVM offers, registers are numbers of 32 bits and every leaf is one of its own or of the topology', () => {
  fc.assert(
    fc.property(fc.array(entry), wishes, (entries, wanted) => {
      const fixed = fixCpuid(entries, wanted);
      const offered = new Set(entries.map(({ function: number }) => number));
      for (const { function: number, eax, ebx, ecx, edx } of fixed) {
        expect(offered.has(number) || number === 0xb || number === 0x1f).toBe(true);
        for (const value of [eax, ebx, ecx, edx]) expect(value >>> 0).toBe(value);
      }
      expect(decodeCpuidTable(encodeCpuidTable(fixed)).length).toBe(Math.min(fixed.length, CPUID_MAX_ENTRIES));
    }),
  );
});
