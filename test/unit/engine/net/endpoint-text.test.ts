import fc from 'fast-check';
import {
  canonicalAddress,
  formatEndpoint,
  parsePort,
  socketPathFault,
  splitHostPort,
} from '../../../../engine/net/endpoint-text';

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['FD00:0:0:0:0:0:0:3', 'fd00::3'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['[127.0.0.1]', undefined],
  ['localhost', undefined],
  ['', undefined],
  ['1.2.3', undefined],
  ['fe80::1%eth0', undefined],
])('address %s is %s', (text, address) => expect(canonicalAddress(text)).toBe(address));

test('an endpoint is read as it was written', () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => canonicalAddress(text) ?? ''),
  );
  fc.assert(
    fc.property(address, fc.nat(65_535), (host, port) => {
      const split = splitHostPort(formatEndpoint({ address: host, port }));
      expect(split?.port).toBe(port);
      expect(canonicalAddress(split?.host ?? '')).toBe(host);
    }),
  );
});

test.each(['', 'x', '1:2:3', '::1:80', ':', 'a:b', 'a:99999', 'a:-1'])('"%s" is no host and port', (text) => {
  expect(splitHostPort(text)).toBeUndefined();
});

test('any text is an address or not', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const address = canonicalAddress(text);
      expect(address === undefined || canonicalAddress(address) === address).toBe(true);
      parsePort(text);
      splitHostPort(text);
    }),
  );
});

test('the path of a socket is absolute, without NUL, and fits into an address', () => {
  expect(socketPathFault('/run/x.sock')).toBeUndefined();
  expect(socketPathFault('x.sock')).toMatch('absolute');
  expect(socketPathFault('/a\0b')).toMatch('NUL');
  expect(socketPathFault(`/${'ü'.repeat(60)}`)).toMatch('121 bytes');
});
