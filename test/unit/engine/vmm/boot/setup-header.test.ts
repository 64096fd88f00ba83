import fc from 'fast-check';
import { readSetupHeader, SETUP_HEADER_END } from '../../../../../engine/vmm/boot/setup-header';
import { bzImage, type KernelOptions } from '../../../../support/vmm/guest-images';

const read = (file: Buffer) => readSetupHeader(file.subarray(0, SETUP_HEADER_END), file.length);
const kernel = (options: KernelOptions = {}): Buffer => bzImage(new Uint8Array(1000), undefined, options);

test('a kernel says where it wants to be and what it needs', () => {
  expect(read(kernel({ setupSectors: 27, initBytes: 0x337_8000 }))).toMatchObject({
    protocol: 0x20f,
    payloadOffset: 28 * 512,
    payloadBytes: 1520,
    preferredAddress: 0x100_0000,
    initBytes: 0x337_8000,
    initrdLast: 0x7fff_ffff,
    commandLineBytes: 2047,
    has64BitEntry: true,
  });
});

test('what is not said means its default', () => {
  const file = kernel({ setupSectors: 4 });
  file[0x1f1] = 0;
  expect(read(file)).toMatchObject({ payloadOffset: 5 * 512 });
  // The flag is younger than this protocol.
  expect(read(kernel({ protocol: 0x020a }))).toMatchObject({ has64BitEntry: false });
});

test.each<[string, (file: Buffer) => Buffer, RegExp]>([
  ['text', () => Buffer.alloc(2000, 'x'), /not a bzImage: there is no "HdrS"/],
  ['nothing', () => Buffer.alloc(0), /not a bzImage: it has only 0 bytes/],
  ['a header only', (file) => file.subarray(0, 0x220), /it has 544 bytes and should have 656/],
  ['half of it', (file) => file.subarray(0, 1500), /it has 1500 bytes and should have 2544/],
  ['an old protocol', () => kernel({ protocol: 0x0209 }), /its boot protocol 2\.09 is older/],
  ['a place in the first MiB', () => kernel({ preferredAddress: 0x9000 }), /it wants to be at 0x9000/],
])('%s is refused', (_name, change, why) => {
  const found = read(change(kernel()));
  expect(found).toMatchObject({ why: expect.stringMatching(why) as string, mend: expect.any(String) as string });
});

test('whatever a file says, what is to be loaded lies within it', () => {
  const header = fc.tuple(fc.uint8Array({ minLength: 0x100, maxLength: 0x100 }), fc.nat(20_000));
  fc.assert(
    fc.property(header, ([noise, extra]) => {
      const file = Buffer.alloc(SETUP_HEADER_END + extra);
      file.set(noise, 0x190);
      file.set(Buffer.from('HdrS'), 0x202);
      file.writeUInt16LE(0xaa55, 0x1fe);
      file.writeUInt16LE(0x020a + ((noise[0] ?? 0) % 6), 0x206);
      file[0x211] = 1;
      const found = read(file);
      if ('why' in found) return;
      expect(found.payloadOffset + found.payloadBytes).toBe(file.length);
      expect(found.payloadBytes).toBeGreaterThan(0);
      expect(found.initBytes).toBeGreaterThanOrEqual(found.payloadBytes);
      expect(found.preferredAddress).toBeGreaterThanOrEqual(0x10_0000);
      expect(found.header.length).toBeLessThanOrEqual(SETUP_HEADER_END - 0x1f1);
    }),
  );
});

test('noise is never taken for a kernel', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1024 }), (bytes) => 'why' in read(Buffer.from(bytes))));
});
