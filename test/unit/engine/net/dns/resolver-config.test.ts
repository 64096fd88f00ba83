import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { toWireName } from '../../../../../engine/net/dns/names';
import { parseDnsFile, parseResolvConf } from '../../../../../engine/net/dns/resolver-config';

const SERVER = { port: 53, zones: [], timeoutMs: 5000, order: 0 };

describe('resolv.conf', () => {
  it('has name servers, search domains, and much that does not matter here', () => {
    const text = [
      '; generated',
      'domain old.example',
      'search corp.example  example.',
      'nameserver 127.0.0.53   # the stub',
      '\tnameserver fe80::1%eth0',
      'nameserver [2001:db8::1]:5353',
      'nameserver not-an-address',
      'nameserver 10.0.0.4',
      'options edns0 trust-ad ndots:5',
      'sortlist 10.0.0.0',
      'unheard of',
    ].join('\r\n');
    expect(parseResolvConf(text)).toEqual({
      servers: [
        { ...SERVER, address: '127.0.0.53' },
        { ...SERVER, address: 'fe80::1%eth0' },
        { ...SERVER, address: '2001:db8::1', port: 5353 },
      ],
      searchDomains: ['corp.example', 'example.'],
      assumeOfflineAfter: 5,
    });
  });

  it('may be empty, but not have wrong name servers only', () => {
    expect(parseResolvConf('').servers).toEqual([]);
    expect(() => parseResolvConf('\nnameserver 1.2.3')).toThrow('line 2: nameserver 1.2.3 is not an IP address');
  });
});

describe("VPNKit's file", () => {
  it('has zones, time-outs and orders below the name server that they belong to', () => {
    const text = [
      '# a pretend VPN zone with a private nameserver',
      'nameserver 1.2.3.4#54',
      'zone mirage.io foo.com',
      'timeout 2000',
      'order 1',
      '',
      'nameserver 8.8.8.8',
      'search a b',
      'search c',
      'assume-offline-after 3',
    ].join('\n');
    expect(parseDnsFile(text)).toEqual({
      servers: [
        {
          address: '1.2.3.4',
          port: 54,
          zones: [toWireName('mirage.io'), toWireName('foo.com')],
          timeoutMs: 2000,
          order: 1,
        },
        { ...SERVER, address: '8.8.8.8' },
      ],
      searchDomains: ['a', 'b', 'c'],
      assumeOfflineAfter: 3,
    });
  });

  it.each([
    ['zone a.example', 'line 1: "zone" must follow the nameserver that it belongs to'],
    ['nameserver 1.2.3.4#0', 'line 1: "nameserver" takes one IP address'],
    ['nameserver 1.2.3.4 5.6.7.8', 'line 1: "nameserver" takes one IP address'],
    ['nameserver 1.2.3.4\ntimeout soon', 'line 2: "timeout" takes one number from 1 to 60000'],
    ['nameserver 1.2.3.4\ntimeout 60001', 'line 2: "timeout" takes one number from 1 to 60000'],
    [`nameserver 1.2.3.4\nzone ${'a'.repeat(64)}.example`, 'is not a domain name'],
    ['nameserver 1.2.3.4\n'.repeat(17), 'line 17: more than 16 name servers'],
    ['timeuot 1', 'line 1: "timeuot" is not known here'],
  ])('%j: %s', (text, message) => {
    expect(() => parseDnsFile(text)).toThrow(message);
  });
});

it('never throws anything else', () => {
  const word = fc.oneof(
    fc.constantFrom('nameserver', 'zone', 'timeout', 'order', 'search', '1.2.3.4#5', '::1', '\r', '#', '99999999999'),
    fc.string({ unit: 'binary', maxLength: 10 }),
  );
  const text = fc.array(fc.array(word, { maxLength: 4 }), { maxLength: 8 });
  fc.assert(
    fc.property(text, (lines) => {
      for (const parse of [parseDnsFile, parseResolvConf]) {
        try {
          parse(lines.map((words) => words.join(' ')).join('\n'));
        } catch (cause) {
          expect(cause).toBeInstanceOf(EngineError);
        }
      }
    }),
  );
});
