import { encodeMpint, encodeRsaPublicKey } from '../../../../engine/identity/ssh-wire';

// The examples of RFC 4251, section 5.
it.each([
  ['', '00000000'],
  ['00', '00000000'],
  ['09a378f9b2e332a7', '0000000809a378f9b2e332a7'],
  ['80', '000000020080'],
  ['0080', '000000020080'],
  ['7f', '000000017f'],
  ['0000ff', '0000000200ff'],
])('encodes the number %s as %s', (magnitude, expected) => {
  expect(encodeMpint(Buffer.from(magnitude, 'hex')).toString('hex')).toBe(expected);
});

it('puts the exponent first', () => {
  expect(encodeRsaPublicKey(Buffer.from('c1', 'hex'), Buffer.from('010001', 'hex')).toString('hex')).toBe(
    `00000007${Buffer.from('ssh-rsa').toString('hex')}000000030100010000000200c1`,
  );
});
