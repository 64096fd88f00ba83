import { DER_TAG, der, derObjectIdentifier, derTime } from '../../../../engine/identity/der';

test.each([
  [0, '0400'],
  [127, '047f'],
  [128, '048180'],
  [255, '0481ff'],
  [256, '04820100'],
  [70_000, '0483011170'],
])('a length of %d', (length, expected) => {
  const bytes = der(DER_TAG.octetString, Buffer.alloc(length));
  expect(bytes.subarray(0, bytes.length - length).toString('hex')).toBe(expected);
});

// X.690, 8.19.5; RFC 5480, 2.1.1.1.
test.each([
  ['2.999.3', '0603883703'],
  ['1.2.840.10045.3.1.7', '06082a8648ce3d030107'],
])('object identifier %s', (dotted, expected) => {
  expect(derObjectIdentifier(dotted).toString('hex')).toBe(expected);
});

test.each([
  ['2049-12-31T23:59:59Z', '170d3439313233313233353935395a'],
  ['2050-01-01T00:00:00Z', '180f32303530303130313030303030305a'],
])('%s', (time, expected) => {
  expect(derTime(new Date(time)).toString('hex')).toBe(expected);
});
