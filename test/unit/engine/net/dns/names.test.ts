import fc from 'fast-check';
import {
  addressOfReverseName,
  canonicalAddress,
  suffixOffsets,
  toText,
  toWireName,
} from '../../../../../engine/net/dns/names';

it('writes names as they go over the wire, in lower case', () => {
  expect(toWireName('Www.Example.')).toBe('\x03www\x07example\0');
  expect(toWireName('.')).toBe('\0');
  expect(toWireName('_sip._tcp.example')).toBe('\x04_sip\x04_tcp\x07example\0');
  for (const text of ['a..b', '.a', 'a b', 'a\\b', 'é', 'a'.repeat(64), 'ab.'.repeat(85), 'a..']) {
    expect(toWireName(text)).toBeUndefined();
  }
});

it('writes names as text, with all that is not plain in numbers', () => {
  expect(toText('\x03a.b\x02\\c\x02\x01\xff\0')).toBe('a\\.b.\\\\c.\\001\\255');
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,20}){0,5}$/), (text) => {
      expect(toText(toWireName(text) ?? '')).toBe(text);
    }),
  );
});

it('knows the parents of a name', () => {
  const wire = toWireName('a.bc.def') ?? '';
  expect([...suffixOffsets(wire)].map((at) => toText(wire.slice(at)))).toEqual(['a.bc.def', 'bc.def', 'def', '']);
});

it('finds the address in a reverse name', () => {
  const reverse = (name: string) => addressOfReverseName(toWireName(name) ?? '\0');
  expect(reverse('4.3.2.1.in-addr.arpa')).toBe('1.2.3.4');
  expect(reverse(`1${'.0'.repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`)).toBe('2001:db8::1');
  for (const name of ['3.2.1.in-addr.arpa', '04.3.2.1.in-addr.arpa', '1.ip6.arpa', 'arpa', '', '4.3.2.1.example']) {
    expect(reverse(name)).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      expect(reverse(`${address.split('.').reverse().join('.')}.in-addr.arpa`)).toBe(address);
    }),
  );
});

it('has one form for equal addresses', () => {
  expect(canonicalAddress('2001:DB8:0:0::1')).toBe('2001:db8::1');
  expect(canonicalAddress('::ffff:1.2.3.4')).toBe('::ffff:102:304');
  for (const text of ['fe80::1%eth0', '1.2.3', '', ':::', 'a']) expect(canonicalAddress(text)).toBeUndefined();
});
