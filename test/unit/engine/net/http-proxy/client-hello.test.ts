import fc from 'fast-check';
import { MAX_HELLO_BYTES, readServerName } from '../../../../../engine/net/http-proxy/client-hello';
import { helloOf, inRecords } from './hello-bytes';

let hello: Buffer;
beforeAll(async () => {
  hello = await helloOf({ servername: 'Www.Example.org', ALPNProtocols: ['h2', 'http/1.1'] });
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)('the name that a client of %s asks for', async (version) => {
  const bytes = await helloOf({ servername: 'a-1.example.org', minVersion: version, maxVersion: version });
  expect(readServerName(bytes)).toEqual({ kind: 'name', name: 'a-1.example.org' });
});

test('a client that asks for none', async () => {
  expect(readServerName(await helloOf({}))).toEqual({ kind: 'none' });
});

test('every beginning of a hello asks for more', () => {
  for (let length = 0; length < hello.length; length++) {
    expect(readServerName(hello.subarray(0, length))).toEqual({ kind: 'more' });
  }
});

test('it may be spread over records and have anything behind it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.uint8Array({ maxLength: 40 }), (size, behind) => {
      const bytes = Buffer.concat([inRecords(hello, size), behind]);
      expect(readServerName(bytes)).toEqual({ kind: 'name', name: 'www.example.org' });
    }),
  );
});

test.each([
  ['HTTP', 'GET / HTTP/1.1\r\n'],
  ['SSH', 'SSH-2.0-OpenSSH\r\n'],
  ['TLS of another kind of record', '\x15\x03\x01\x00\x02\x02\x28'],
  ['a record of no bytes', '\x16\x03\x01\x00\x00'],
  ['a record that is too long', '\x16\x03\x01\xff\xff'],
  ['a hello that is too long', '\x16\x03\x01\x40\x00\x01\xff\xff\xff'],
  ['another message', '\x16\x03\x01\x40\x00\x02'],
])('%s has no name', (_kind, text) => {
  expect(readServerName(Buffer.from(text, 'latin1'))).toEqual({ kind: 'none' });
});

test.each(['10.0.0.1', 'a b', '-a', 'a..b', `${'a'.repeat(64)}.org`, ''])('%j is no name of a host', (name) => {
  // A hello with nothing but this name.
  const list = Buffer.concat([Buffer.from([0, name.length + 3, 0, 0, name.length]), Buffer.from(name)]);
  const extensions = Buffer.concat([Buffer.from([0, 0, 0, list.length]), list]);
  const body = Buffer.concat([
    Buffer.alloc(34),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0, 0, extensions.length]),
    extensions,
  ]);
  const bytes = Buffer.concat([Buffer.from([22, 3, 1, 0, body.length + 4, 1, 0, 0, body.length]), body]);
  expect(readServerName(bytes)).toEqual({ kind: 'none' });
});

test('any bytes have an answer, and full ones a final one', () => {
  const damaged = fc
    .tuple(fc.array(fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 255 })), { maxLength: 6 }), fc.nat({ max: 600 }))
    .map(([changes, length]) => {
      const copy = Buffer.from(hello);
      for (const [at, value] of changes) copy[at] = value;
      return copy.subarray(0, length);
    });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      const found = readServerName(bytes);
      expect(['name', 'none', 'more']).toContain(found.kind);
      const full = new Uint8Array(MAX_HELLO_BYTES);
      full.set(bytes);
      expect(readServerName(full).kind).not.toBe('more');
    }),
    { numRuns: 2000 },
  );
});
