import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { parseHostPatterns } from '../../../../../engine/net/http-proxy/host-patterns';

test.each([
  // VPNKit's own table.
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.0/24', '10.0.0.1', true],
  ['10.0.0.0/24', '192.168.0.1', false],
  ['mit.edu', 'dave.mit.edu', true],
  ['*.mit.edu', 'dave.mit.edu', true],
  ['.mit.edu', 'dave.mit.edu', true],
  ['mit.edu', 'www.mobyproject.org', false],
  ['*.local 169.254.0.0/16', 'dave.local', true],
  ['*.local 169.254.0.0/16', '169.254.0.1', true],
  ['*.local 169.254.0.0/16', '10.0.0.1', false],
  ['*.local 169.254.0.0/16', 'www.mobyproject.org', false],
  // And what follows from its rules.
  ['mit.edu', 'mit.edu', true],
  ['.mit.edu', 'mit.edu', false],
  ['mit.edu', 'notmit.edu', false],
  ['a.*.edu', 'x.a.b.edu', true],
  ['a.*.edu', 'a.b.c.edu', false],
  ['MIT.edu', 'Dave.Mit.EDU.', true],
  ['mit.edu.', 'dave.mit.edu', true],
  ['169.254/16', '169.254.7.7', true],
  ['10/8', '10.200.0.1', true],
  ['*', '10.0.0.1', true],
  ['*', 'anything', true],
  ['localhost', 'localhost', true],
  ['fd00::/8', '[fd12::1]', true],
  ['[::1]', '0:0::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['10.0.0.0/8', '::ffff:10.0.0.1', true],
  ['10.0.0.0/8', '10.0.0.1.example.org', false],
  ['1', '10.0.0.1', false],
  ['', 'anything', false],
])('%j and %j: %j', (list, host, expected) => {
  expect(parseHostPatterns(list.split(' ').filter((pattern) => pattern !== '')).matches(host)).toBe(expected);
});

test.each([
  '10.0.0.0/33',
  'fd00::/129',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.1/x',
  '*foo.com',
  'a..b',
  '.',
  '-*',
  'a b',
  'http://x',
  'x:80',
  'a/8',
  'é',
  'x'.repeat(300),
])('%j is refused by name', (pattern) => {
  expect(() => parseHostPatterns([pattern])).toThrow(EngineError);
  expect(() => parseHostPatterns([pattern])).toThrow(pattern.slice(0, 60));
});

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => `${labels.join('.')}.test`);

test('a name matches itself and everything below it, and nothing beside it', () => {
  fc.assert(
    fc.property(name, label, (domain, below) => {
      const patterns = parseHostPatterns([domain]);
      expect(patterns.matches(domain)).toBe(true);
      expect(patterns.matches(`${below}.${domain}`)).toBe(true);
      expect(patterns.matches(`${below}${domain}`)).toBe(false);
      expect(patterns.matches(domain.slice(domain.indexOf('.') + 1))).toBe(false);
      expect(parseHostPatterns([`*.${domain}`]).matches(domain)).toBe(false);
    }),
  );
});

test('a prefix holds exactly the addresses that begin with its bits', () => {
  const dotted = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
  const address = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 32 }), address, (base, bits, other) => {
      const patterns = parseHostPatterns([`${dotted(base)}/${bits}`]);
      expect(patterns.matches(dotted(base))).toBe(true);
      expect(patterns.matches(dotted(other))).toBe(base >>> (32 - bits) === other >>> (32 - bits));
    }),
  );
});

test('any text is a list or refused in our words, and any host has an answer', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[a-z0-9.:/*[\]%-]{0,20}$/),
    fc.ipV6(),
    fc.ipV4Extended(),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), text, (list, host) => {
      try {
        expect(typeof parseHostPatterns(list).matches(host)).toBe('boolean');
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect((error as EngineError).code).toBe('HK_NET_CONFIG_INVALID');
      }
      expect(typeof parseHostPatterns(['10.0.0.0/8', 'a.b']).matches(host)).toBe('boolean');
    }),
    { numRuns: 2000 },
  );
});
