import { assembleBpf } from '../../../../engine/sandbox/bpf';
import { runBpf } from './fixtures/bpf-machine';

const hex = (program: Uint8Array): readonly string[] =>
  Array.from({ length: program.length / 8 }, (_, index) =>
    Buffer.from(program.subarray(8 * index, 8 * index + 8)).toString('hex'),
  );

test('instructions are those of linux/filter.h', () => {
  const program = assembleBpf([
    { load: 4 },
    { test: 'equal', value: 0xc000_003e, yes: 'good' },
    { test: 'at-least', value: 0x4000_0000, yes: 'good', no: 'bad' },
    { label: 'bad' },
    { test: 'any-bit', value: 1, no: 'good' },
    { result: 0x0005_0001 },
    { label: 'good' },
    { result: 0x7fff_0000 },
  ]);
  expect(hex(program)).toEqual([
    '2000000004000000',
    '150003003e0000c0',
    '3500020000000040',
    '4500000101000000',
    '0600000001000500',
    '060000000000ff7f',
  ]);
  expect(runBpf(program, { number: 0, architecture: 0xc000_003e })).toBe(0x7fff_0000);
  expect(runBpf(program, { number: 0, architecture: 3 })).toBe(0x0005_0001);
});

test('jumps go forward, and not further than a byte says', () => {
  const far = (distance: number) =>
    assembleBpf([
      { test: 'equal', value: 1, yes: 'end' },
      ...Array.from({ length: distance }, () => ({ load: 0 })),
      { label: 'end' },
      { result: 0 },
    ]);
  expect(far(255)).toHaveLength(257 * 8);
  expect(() => far(256)).toThrow(RangeError);
  expect(() => assembleBpf([{ label: 'back' }, { test: 'equal', value: 1, no: 'back' }])).toThrow(RangeError);
  expect(() => assembleBpf([{ test: 'equal', value: 1, no: 'nowhere' }])).toThrow('"nowhere"');
});
