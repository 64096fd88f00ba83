import fc from 'fast-check';
import { AddressBook } from '../../../../../engine/net/dns/address-book';
import { parseHosts } from '../../../../../engine/net/dns/hosts-file';

it('reads hosts files of Unix and Windows', () => {
  const unix = '# hosts\n127.0.0.1 localhost\n\n  10.0.0.1\tweb web.example#front\n::1 localhost ip6-localhost\n';
  const expected = [
    ['localhost', '127.0.0.1'],
    ['web', '10.0.0.1'],
    ['web.example', '10.0.0.1'],
    ['localhost', '::1'],
    ['ip6-localhost', '::1'],
  ];
  expect([...parseHosts(unix)]).toEqual(expected);
  expect([...parseHosts(`\ufeff${unix.replaceAll('\n', '\r\n')}`)]).toEqual(expected);
});

it('takes any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (junk, more) => {
      new AddressBook(parseHosts(`10.0.0.1 ${junk}\n${more}\n${junk} a b`));
    }),
  );
});

it('stops at half a million names', () => {
  let count = 0;
  for (const _entry of parseHosts(`10.0.0.1${' a'.repeat(600_000)}`)) count++;
  expect(count).toBe(500_000);
});
