import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadLinux } from '../../../../../engine/vmm/boot/load-linux';
import { GuestMemory } from '../../../../../engine/vmm/memory/guest-memory';
import { bzImage, KERNEL_ADDRESS, type KernelOptions } from '../../../../support/vmm/guest-images';

const MIB = 1024 * 1024;
const folder = mkdtempSync(path.join(os.tmpdir(), 'hk-linux-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const file = (bytes: Uint8Array): string => {
  const name = path.join(folder, String(files++));
  writeFileSync(name, bytes);
  return name;
};
const ram = (bytes: number): GuestMemory =>
  new GuestMemory([{ guestAddress: 0, bytes: new SharedArrayBuffer(bytes), hostAddress: 0n }]);

const load = (memory: GuestMemory, options: KernelOptions = {}, initrd?: Uint8Array, commandLine = 'quiet') => {
  const kernel = file(bzImage(Buffer.from('long'), Buffer.from('short'), options));
  const spec = { kind: 'kexec', kernel, initrd: initrd && file(initrd), commandLine } as const;
  return loadLinux(spec, memory, 0xf_2400);
};
const text = (memory: GuestMemory, address: number, length: number): string =>
  Buffer.from(memory.slice(address, length)).toString('latin1');

test('kernel, initrd, command line and zero page are where the protocol wants them', () => {
  const memory = ram(32 * MIB);
  const entry = load(memory, {}, Buffer.from('initrd'));
  expect(entry).toMatchObject({ mode: 'long', rip: KERNEL_ADDRESS + 0x200, registers: { rsi: 0x7000 } });
  expect(text(memory, KERNEL_ADDRESS, 5)).toBe('short');
  expect(text(memory, KERNEL_ADDRESS + 0x200, 4)).toBe('long');
  expect(memory.readU32(0x7000 + 0x218)).toBe(32 * MIB - 4096);
  expect(memory.readU32(0x7000 + 0x21c)).toBe(6);
  expect(text(memory, 32 * MIB - 4096, 6)).toBe('initrd');
  expect(text(memory, memory.readU32(0x7000 + 0x228), 6)).toBe('quiet\0');
  expect(memory.readU32(0x7000 + 0x70)).toBe(0xf_2400);
  expect(text(memory, 0x7000 + 0x202, 4)).toBe('HdrS');
  expect(memory.slice(0x7000 + 0x210, 1)[0]).toBe(0xff);
});

test('page tables map the first 4 GiB onto themselves', () => {
  const memory = ram(32 * MIB);
  load(memory);
  const resolve = (address: number): number => {
    const pdpt = memory.readU64(0x9000) & ~0xfff;
    const directory = memory.readU64(pdpt + Math.floor(address / 2 ** 30) * 8) & ~0xfff;
    const entry = memory.readU64(directory + (Math.floor(address / 2 ** 21) % 512) * 8);
    expect(entry % 0x100).toBe(0x83);
    return entry - 0x83 + (address % 2 ** 21);
  };
  for (const address of [0, 0x7000, KERNEL_ADDRESS, 0xc000_1234, 0xffff_ffff]) expect(resolve(address)).toBe(address);
});

test('an old kernel is entered in 32-bit mode at its start', () => {
  const entry = load(ram(32 * MIB), { has64BitEntry: false });
  expect(entry).toMatchObject({ mode: 'protected', rip: KERNEL_ADDRESS });
});

test('the initrd stays where the kernel can reach it', () => {
  const memory = ram(32 * MIB);
  load(memory, { initrdLast: 24 * MIB - 1 }, Buffer.alloc(5000, 'i'));
  expect(memory.readU32(0x7000 + 0x218)).toBe(24 * MIB - 8192);
});

test.each<[string, () => unknown, RegExp]>([
  ['too little memory', () => load(ram(16 * MIB)), /it needs 17 MiB, the guest has 16 for it; give the machine more/],
  ['a large initrd', () => load(ram(32 * MIB), {}, new Uint8Array(16 * MIB)), /the initrd .*: it has 16 MiB.* for 15;/],
  ['a long command line', () => load(ram(32 * MIB), { commandLineBytes: 3 }), /has 5 bytes, it takes 3; leave/],
  [
    'a missing kernel',
    () => loadLinux({ kind: 'kexec', kernel: '/nowhere', initrd: undefined, commandLine: '' }, ram(MIB), undefined),
    /cannot boot the kernel \/nowhere: there is no such file; check its path/,
  ],
  [
    'a folder',
    () => loadLinux({ kind: 'kexec', kernel: folder, initrd: undefined, commandLine: '' }, ram(MIB), undefined),
    /it is not a file; name the right one/,
  ],
])('%s is explained', (_name, action, message) => {
  expect(action).toThrow(expect.objectContaining({ code: 'HK_BOOT_FAILED', message: expect.stringMatching(message) }));
});
