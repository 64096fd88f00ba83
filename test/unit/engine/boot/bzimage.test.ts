import { findBzImageFault } from '../../../../engine/boot/bzimage';
import { fakeKernel } from './iso-builder';

const changed = (change: (kernel: Buffer) => void): Buffer => {
  const kernel = fakeKernel();
  change(kernel);
  return kernel;
};

it('accepts a bzImage', () => {
  expect(findBzImageFault(fakeKernel())).toBeUndefined();
});

it.each([
  ['short', fakeKernel().subarray(0, 0x21f), 'it has only 543 bytes'],
  ['not a kernel', changed((kernel) => kernel.write('PE', 0x202)), 'there is no "HdrS" at byte 0x202'],
  ['no boot sector', changed((kernel) => kernel.writeUInt16LE(0, 0x1fe)), 'there is no boot flag 0xAA55 at byte 0x1FE'],
  ['ancient', changed((kernel) => kernel.writeUInt16LE(0x0105, 0x206)), 'its boot protocol is 105'],
  ['zImage', changed((kernel) => kernel.writeUInt8(0, 0x211)), 'it is a zImage'],
])('refuses one that is %s', (_, kernel, fault) => {
  expect(findBzImageFault(kernel)).toBe(fault);
});
