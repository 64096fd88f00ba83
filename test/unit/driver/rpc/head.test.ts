import { answerHead, splitHead } from '../../../../driver/rpc/head';

const split = (text: string, limitBytes?: number) => splitHead(Buffer.from(text, 'latin1'), limitBytes);

describe('splitHead', () => {
  test.each([
    ['bare line feeds, as Go clients send', 'CONNECT /_goRPC_ HTTP/1.0\n\n'],
    ['carriage returns', 'CONNECT /_goRPC_ HTTP/1.0\r\n\r\n'],
    ['headers', 'CONNECT /_goRPC_ HTTP/1.0\r\nHost: localhost\r\nX: y\r\n\r\n'],
    ['a mixture', 'CONNECT /_goRPC_ HTTP/1.0\r\nHost: localhost\n\r\n'],
  ])('finds the end of a head with %s', (_, head) => {
    expect(split(`${head}rest`)).toEqual({
      kind: 'complete',
      startLine: 'CONNECT /_goRPC_ HTTP/1.0',
      rest: Buffer.from('rest'),
    });
  });

  test('every proper prefix of a head is incomplete', () => {
    const head = 'CONNECT /_goRPC_ HTTP/1.0\r\nA: b\r\n\r\n';
    for (let length = 0; length < head.length; length++) {
      expect(split(head.slice(0, length))).toEqual({ kind: 'incomplete' });
    }
  });

  test('gives up at the limit, whether or not lines end', () => {
    expect(split('x'.repeat(99), 100)).toEqual({ kind: 'incomplete' });
    expect(split('x'.repeat(100), 100)).toEqual({ kind: 'too-long' });
    expect(split('x\n'.repeat(100), 100)).toEqual({ kind: 'too-long' });
    expect(split(`${'x'.repeat(100)}\n\n`, 100)).toEqual({ kind: 'too-long' });
  });

  test('an empty first line is a head of its own, and no method', () => {
    expect(split('\nCONNECT')).toEqual({ kind: 'complete', startLine: '', rest: Buffer.from('CONNECT') });
  });
});

describe('answerHead', () => {
  test('welcomes a Go client in the words it compares', () => {
    expect(answerHead('CONNECT /_goRPC_ HTTP/1.0')).toEqual({
      accepted: true,
      text: 'HTTP/1.0 200 Connected to Go RPC\n\n',
    });
  });

  test.each([
    ['GET /_goRPC_ HTTP/1.1', /^HTTP\/1\.0 405 Method Not Allowed\r\n(?:.+\r\n)+\r\n405 must CONNECT\n$/],
    ['CONNECT /other HTTP/1.0', /^HTTP\/1\.0 404 Not Found\r\n(?:.+\r\n)+\r\n404 page not found\n$/],
    ['CONNECT', /^HTTP\/1\.0 400 Bad Request\r\n/],
    ['', /^HTTP\/1\.0 400 Bad Request\r\n/],
    ['SSH-2.0-OpenSSH_9.2', /^HTTP\/1\.0 400 Bad Request\r\n/],
    ['CONNECT /_goRPC_ HTTP/1.0 more', /^HTTP\/1\.0 400 Bad Request\r\n/],
  ])('turns %j away', (startLine, text) => {
    const answer = answerHead(startLine);
    expect(answer.accepted).toBe(false);
    expect(answer.text).toMatch(text);
  });
});
