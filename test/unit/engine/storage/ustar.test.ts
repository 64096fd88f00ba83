import { writeTar } from '../../../../engine/storage/ustar';

it('writes headers byte for byte as Go and GNU tar do', () => {
  const file = writeTar([{ name: 'a', mode: 0o644, kind: 'file', content: Buffer.from('xyz') }]);
  const expected = Buffer.alloc(2048);
  expected.write('a', 0);
  expected.write('0000644\x000000000\x000000000\x0000000000003\x0000000000000\x00', 100);
  expected.write('007341\x00 0', 148);
  expected.write('ustar\x0000', 257);
  expected.write('0000000\x000000000\x00', 329);
  expected.write('xyz', 512);
  expect(file).toEqual(expected);
});

it('rounds content up to blocks and closes with two of zeros', () => {
  const sizes = [0, 1, 512, 513].map(
    (size) => writeTar([{ name: 'f', mode: 0, kind: 'file', content: new Uint8Array(size).fill(1) }]).length,
  );
  expect(sizes).toEqual([1536, 2048, 2048, 2560]);
  expect(writeTar([])).toEqual(Buffer.alloc(1024));
});
