import { BOOT_MSR_COUNT, bootMsrName, encodeBootMsrs } from '../../../../../engine/vmm/vcpu/boot-msrs';
import { applyEntrySregs, makeEntryRegs } from '../../../../../engine/vmm/vcpu/entry-registers';
import { formatRegisters } from '../../../../../engine/vmm/vcpu/register-dump';
import { REGS, SREGS } from '../../../../../native/kvm';

const entry = { rip: 0x100_0200, registers: { rsi: 0x7000, rsp: 0x8ff0 }, gdtAddress: 0x2000 } as const;
const sregsOf = (mode: 'long' | 'protected'): DataView => {
  const sregs = new Uint8Array(SREGS.size).fill(0xaa);
  applyEntrySregs(sregs, { ...entry, mode });
  return new DataView(sregs.buffer);
};

test('64-bit mode: paging, long code, interrupts off', () => {
  const sregs = sregsOf('long');
  expect(sregs.getBigUint64(SREGS.cr0, true) & 0x8000_0001n).toBe(0x8000_0001n);
  expect(sregs.getBigUint64(SREGS.cr3, true)).toBe(0x9000n);
  expect(sregs.getBigUint64(SREGS.cr4, true)).toBe(0x20n);
  expect(sregs.getBigUint64(SREGS.efer, true)).toBe(0x500n);
  // type, present, dpl, db, s, l, g, avl, unusable
  const bits = (at: number): number[] => [...new Uint8Array(sregs.buffer, at + 14, 9)];
  expect(bits(SREGS.cs)).toEqual([11, 1, 0, 0, 1, 1, 1, 0, 0]);
  expect(bits(SREGS.ss)).toEqual([3, 1, 0, 1, 1, 0, 1, 0, 0]);
  expect(bits(SREGS.tr)).toEqual([11, 1, 0, 0, 0, 0, 0, 0, 0]);
  const regs = new DataView(makeEntryRegs({ ...entry, mode: 'long' }).buffer);
  expect([REGS.rip, REGS.rflags, REGS.rsi, REGS.rax].map((at) => regs.getBigUint64(at, true))).toEqual([
    0x100_0200n,
    2n,
    0x7000n,
    0n,
  ]);
});

test('32-bit mode: no paging, 32-bit code', () => {
  const sregs = sregsOf('protected');
  expect(sregs.getBigUint64(SREGS.cr0, true) & 0x8000_0001n).toBe(1n);
  expect([SREGS.cr3, SREGS.cr4, SREGS.efer].map((at) => sregs.getBigUint64(at, true))).toEqual([0n, 0n, 0n]);
  expect([...new Uint8Array(sregs.buffer, SREGS.cs + 14, 7)]).toEqual([11, 1, 0, 1, 1, 0, 1]);
});

test('a dump names every register', () => {
  const regs = makeEntryRegs({ ...entry, mode: 'long' });
  expect(formatRegisters(regs, new Uint8Array(sregsOf('long').buffer))).toMatchInlineSnapshot(`
"rip 0000000001000200  rflags 2
rax 0000000000000000  rbx 0000000000000000  rcx 0000000000000000  rdx 0000000000000000
rsi 0000000000007000  rdi 0000000000000000  rsp 0000000000008ff0  rbp 0000000000000000
r8 0000000000000000  r9 0000000000000000  r10 0000000000000000  r11 0000000000000000
r12 0000000000000000  r13 0000000000000000  r14 0000000000000000  r15 0000000000000000
cs 10 base 0  ds 18 base 0  es 18 base 0  ss 18 base 0
fs 18 base 0  gs 18 base 0  tr 20 base 0
cr0 80000031  cr2 aaaaaaaaaaaaaaaa  cr3 9000  cr4 20  efer 500  gdt 2000+27  idt 0+0"
`);
});

test('model-specific registers', () => {
  const bytes = new DataView(encodeBootMsrs().buffer);
  expect(bytes.getUint32(0, true)).toBe(BOOT_MSR_COUNT);
  expect(bytes.byteLength).toBe(8 + BOOT_MSR_COUNT * 16);
  expect(bootMsrName(BOOT_MSR_COUNT - 1)).toBe('0x2ff');
});
