import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { canonicalAddress } from '../../../../../engine/net/endpoint-text';
import { formatSpecText, parseSpecText } from '../../../../../engine/net/ninep/spec-text';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const at = (address: string, port: number) => ({ address, port });

test.each([
  ['tcp:0.0.0.0:8080:tcp:192.168.65.3:80', 'tcp', at('0.0.0.0', 8080), at('192.168.65.3', 80)],
  ['udp:127.0.0.1:0:udp:192.168.65.3:53', 'udp', at('127.0.0.1', 0), at('192.168.65.3', 53)],
  ['tcp:::1:8080:tcp:fd00::3:80', 'tcp', at('::1', 8080), at('fd00::3', 80)],
  ['udp:::1:8080:udp:fd00::3:80', 'udp', at('::1', 8080), at('fd00::3', 80)],
  ['udp:[::]:53:udp:[FD00:0::3]:53', 'udp', at('::', 53), at('fd00::3', 53)],
  ['tcp:::ffff:10.0.0.1:1:tcp:10.0.0.2:2', 'tcp', at('10.0.0.1', 1), at('10.0.0.2', 2)],
])('%s', (text, protocol, host, guest) => expect(parseSpecText(text)).toEqual({ protocol, host, guest }));

test('a unix socket of the host leads to a port of the guest', () => {
  const spec = { protocol: 'tcp', host: { path: '/tmp/fo o' }, guest: at('192.168.65.3', 80) };
  expect(parseSpecText(`unix:${base64('/tmp/fo o')}:tcp:192.168.65.3:80`)).toEqual(spec);
});

test('what is written is read again', () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => canonicalAddress(text) ?? '::'),
  );
  const endpoint = (min: number) => fc.record({ address, port: fc.integer({ min, max: 65_535 }) });
  const ports = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    host: endpoint(0),
    guest: endpoint(1),
  });
  const path = fc.string({ maxLength: 25, unit: 'grapheme' }).map((it) => ({ path: `/${it.replaceAll('\0', '')}` }));
  const sockets = fc.record({ protocol: fc.constant('tcp' as const), host: path, guest: endpoint(1) });
  fc.assert(
    fc.property(fc.oneof(ports, sockets), (spec) => {
      fc.pre(!('path' in spec.host) || Buffer.byteLength(spec.host.path) <= 100);
      expect(parseSpecText(formatSpecText(spec))).toEqual(spec);
    }),
  );
});

test.each([
  ['', 'failed to parse ""'],
  ['hello', 'failed to parse "hello"'],
  ['tcp:1.2.3.4:80', 'failed to parse'],
  ['tcp:1.2.3:80:tcp:192.168.65.3:80', 'failed to parse'],
  ['tcp:1.2.3.4:80:tcp:192.168.65.3:99999', 'failed to parse'],
  ['tcp:1.2.3.4:80:udp:192.168.65.3:80', 'leads from tcp to udp'],
  ['tcp:1.2.3.4:80:tcp:192.168.65.3:0', 'port 0 of the guest'],
  [`unix:${base64('/a')}:unix:${base64('/b')}`, 'needs an agent'],
  [`unix:${base64('a')}:tcp:192.168.65.3:80`, 'it must be absolute'],
  [`unix:${base64('/a\0')}:tcp:192.168.65.3:80`, 'it holds a NUL'],
  ['unix:%%%:tcp:192.168.65.3:80', 'not in base64'],
  [`tcp:${'1'.repeat(600)}`, 'longer than 512'],
])('%s is refused: %s', (text, words) => {
  expect(() => parseSpecText(text)).toThrow(words);
});

test('any text is a request or is refused', () => {
  const part = fc.oneof(
    fc.constantFrom(':', 'tcp', 'udp', 'unix', '1.2.3.4', '::1', '[', ']', '80', 'L2E='),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      try {
        parseSpecText(parts.join(''));
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
      }
    }),
    { numRuns: 2000 },
  );
});
