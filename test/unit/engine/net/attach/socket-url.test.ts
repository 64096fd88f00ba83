import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { formatSocketUrl, parseSocketUrl } from '../../../../../engine/net/attach/socket-url';

test.each([
  ['/run/vpnkit.sock', { kind: 'path', path: '/run/vpnkit.sock' }],
  ['unix:///run/vpnkit.sock', { kind: 'path', path: '/run/vpnkit.sock' }],
  ['unix:/run/vpnkit.sock', { kind: 'path', path: '/run/vpnkit.sock' }],
  ['vpnkit.sock', { kind: 'path', path: `${process.cwd()}/vpnkit.sock` }],
  ['fd:3', { kind: 'fd', fd: 3 }],
])('%s', (text, url) => {
  expect(parseSocketUrl(text)).toEqual(url);
});

test('a scheme for datagrams is only for datagrams', () => {
  expect(parseSocketUrl('unixgram:///a.sock', ['unix', 'unixgram'])).toEqual({ kind: 'path', path: '/a.sock' });
  expect(() => parseSocketUrl('unixgram:///a.sock')).toThrow('unixgram: is none of a path');
});

test.each([
  ['', 'it is empty'],
  ['unix://', 'it is empty'],
  ['hyperv-connect://dead-beef', 'Hyper-V sockets exist on Windows only'],
  ['tcp://127.0.0.1:80', 'tcp: is none of a path, unix:///path and fd:NUMBER'],
  ['fd:-1', 'fd: is none of a path, unix:///path and fd:NUMBER'],
  [`/${'x'.repeat(120)}`, 'it has 121 bytes, the most are 107'],
])('%j is refused: %s', (text, reason) => {
  expect(() => parseSocketUrl(text)).toThrow(`cannot listen on "${text}": ${reason}`);
});

test('anything is an address or refused', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.string().map((text) => `fd:${text}`),
      ),
      (text) => {
        try {
          expect(formatSocketUrl(parseSocketUrl(text))).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
        }
      },
    ),
  );
});
