import fc from 'fast-check';
import { MULTIBOOT_SEARCH_BYTES, readMultibootHeader } from '../../../../../engine/vmm/boot/multiboot-header';
import { multibootImage } from '../../../../support/vmm/guest-images';

const read = (file: Buffer) => readMultibootHeader(file.subarray(0, MULTIBOOT_SEARCH_BYTES), file.length);

/** ELF for i386 with a Multiboot header behind its program headers. */
function elf(segments: readonly { offset: number; address: number; fileBytes: number; memoryBytes: number }[]): Buffer {
  const file = Buffer.alloc(4096);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  file.writeUInt16LE(3, 18);
  file.writeUInt32LE(0x10_1000, 24);
  file.writeUInt32LE(52, 28);
  file.writeUInt16LE(32, 42);
  file.writeUInt16LE(segments.length, 44);
  for (const [index, { offset, address, fileBytes, memoryBytes }] of segments.entries()) {
    const words = [1, offset, (0xc000_0000 + address) >>> 0, address, fileBytes, memoryBytes];
    for (const [word, value] of words.entries()) file.writeUInt32LE(value, 52 + index * 32 + word * 4);
  }
  const at = 1024;
  file.writeUInt32LE(0x1bad_b002, at);
  file.writeUInt32LE(3, at + 4);
  file.writeUInt32LE(-(0x1bad_b002 + 3) >>> 0, at + 8);
  return file;
}

test('addresses in the header', () => {
  const file = Buffer.concat([Buffer.alloc(64), multibootImage(Buffer.from('code'))]);
  expect(read(file)).toEqual({
    entry: 0x10_0020,
    segments: [{ fileOffset: 64, fileBytes: 36, address: 0x10_0000, memoryBytes: 36 }],
  });
});

test('ELF by physical addresses', () => {
  const file = elf([{ offset: 2048, address: 0x10_0000, fileBytes: 100, memoryBytes: 5000 }]);
  expect(read(file)).toEqual({
    entry: 0x10_1000,
    segments: [{ fileOffset: 2048, fileBytes: 100, address: 0x10_0000, memoryBytes: 5000 }],
  });
});

test.each<[string, Buffer, RegExp]>([
  ['no header', Buffer.alloc(4096), /no Multiboot header/],
  ['a wrong checksum', Buffer.from(multibootImage(Buffer.alloc(8)).fill(1, 8, 9)), /no Multiboot header/],
  ['nothing to load', elf([]), /nothing to load/],
  [
    'a segment that is cut off',
    elf([{ offset: 4000, address: 0, fileBytes: 97, memoryBytes: 97 }]),
    /segment 0 is cut off/,
  ],
  ['more in the file than in memory', elf([{ offset: 0, address: 0, fileBytes: 9, memoryBytes: 8 }]), /segment 0/],
  ['64 bits', Buffer.from(elf([]).fill(2, 4, 5)), /not ELF of 32 bits/],
])('%s is refused', (_name, file, why) => {
  expect(read(file)).toMatchObject({ why: expect.stringMatching(why) as string });
});

test('a feature that it requires and nobody offers', () => {
  const file = multibootImage(Buffer.alloc(8));
  const flags = 0x0001_0010;
  file.writeUInt32LE(flags, 4);
  file.writeUInt32LE(-(0x1bad_b002 + flags) >>> 0, 8);
  expect(read(file)).toMatchObject({ why: 'it requires Multiboot features 0x10' });
});

test('whatever a header says, what is to be read lies in the file', () => {
  const word = fc.oneof(fc.nat(5000), fc.nat(0xffff_ffff));
  const address = fc.array(word, { minLength: 5, maxLength: 5 });
  const header = fc.array(fc.tuple(word, word, word, word), { maxLength: 8 });
  fc.assert(
    fc.property(address, header, (addresses, segments) => {
      const aout = multibootImage(Buffer.alloc(200));
      for (const [index, value] of addresses.entries()) aout.writeUInt32LE(value, 12 + index * 4);
      const elves = elf(
        segments.map(([offset, to, fileBytes, memoryBytes]) => ({ offset, address: to, fileBytes, memoryBytes })),
      );
      for (const file of [aout, elves]) {
        const found = read(file);
        if ('why' in found) continue;
        for (const { fileOffset, fileBytes, memoryBytes } of found.segments) {
          expect(fileOffset).toBeGreaterThanOrEqual(0);
          expect(fileOffset + fileBytes).toBeLessThanOrEqual(file.length);
          expect(memoryBytes).toBeGreaterThanOrEqual(fileBytes);
        }
      }
    }),
  );
});
