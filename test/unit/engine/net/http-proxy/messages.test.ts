import fc from 'fast-check';
import { pairs, rewriteRequestHeaders, rewriteResponseHeaders } from '../../../../../engine/net/http-proxy/headers';
import {
  parseAuthority,
  parseRequestTarget,
  toAbsoluteForm,
} from '../../../../../engine/net/http-proxy/request-target';

describe('targets', () => {
  const fallback = { host: '10.0.0.1', port: 8080 };

  test.each([
    ['GET', '/a?b', ['x.example'], 'x.example:80', 'http://x.example/a?b'],
    ['GET', '/', ['X.Example:81'], 'x.example:81', 'http://x.example:81/'],
    ['GET', '/', ['[::1]:81'], '::1:81', 'http://[::1]:81/'],
    ['GET', 'http://x.example', ['y'], 'x.example:80', 'http://x.example/'],
    ['GET', 'HTTP://x.example:80?q', [], 'x.example:80', 'http://x.example/?q'],
    ['OPTIONS', 'http://x.example', [], 'x.example:80', 'http://x.example'],
    ['OPTIONS', '*', ['x.example:80'], 'x.example:80', 'http://x.example'],
    ['GET', '//a/b', ['x.example'], 'x.example:80', 'http://x.example//a/b'],
  ])('%s %s for %j', (method, target, hosts, to, absolute) => {
    const parsed = parseRequestTarget(method, target, hosts);
    expect(`${parsed?.to.host}:${parsed?.to.port}`).toBe(to);
    expect(toAbsoluteForm(parsed!)).toBe(absolute);
  });

  test('the address that the guest was going to stands in for what Host leaves out', () => {
    expect(parseRequestTarget('GET', '/', [], fallback)?.to).toEqual(fallback);
    expect(parseRequestTarget('GET', '/', [''], fallback)?.to).toEqual(fallback);
    expect(parseRequestTarget('GET', '/', ['a'], fallback)).toMatchObject({
      to: { host: 'a', port: 8080 },
      authority: 'a:8080',
      host: 'a',
    });
  });

  test('anything is a target or none, and what is one is safe to write', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.stringMatching(/^[a-z0-9.:@/[\]*?-]{0,30}$/));
    fc.assert(
      fc.property(
        fc.constantFrom('GET', 'CONNECT', 'OPTIONS'),
        text,
        fc.array(text, { maxLength: 2 }),
        (method, target, hosts) => {
          const parsed = parseRequestTarget(method, target, hosts, fallback);
          if (parsed === undefined) return;
          expect(parsed.authority).toMatch(/^[a-z0-9._~:[\]-]+$/);
          expect(parseAuthority(parsed.authority, 80)).toEqual(parsed.to);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('headers', () => {
  const name = fc.constantFrom(
    'Host',
    'Accept',
    'X-A',
    'x-b',
    'Connection',
    'TE',
    'Content-Length',
    'Transfer-Encoding',
    'Proxy-Authorization',
  );
  const value = fc.constantFrom('a', 'x-a, close', 'content-length, host', 'X-B', '');
  const raw = fc.array(fc.tuple(name, value)).map((list) => list.flat());

  test('one Host, no header of this hop, the rest in its order', () => {
    fc.assert(
      fc.property(raw, fc.boolean(), (headers, toProxy) => {
        const sent = pairs(rewriteRequestHeaders(headers, { host: 'h', toProxy }));
        const names = sent.map(([key]) => key.toLowerCase());
        const hosts = pairs(headers).filter(([key]) => key === 'Host').length;
        expect(names.filter((key) => key === 'host')).toHaveLength(Math.max(1, hosts));
        expect(names).not.toContain('connection');
        expect(names).not.toContain('te');
        if (!toProxy) expect(names).not.toContain('proxy-authorization');
        const framing = (list: readonly [string, string][]) =>
          list.filter(([key]) => /^(content-l|transfer-e)/i.test(key));
        expect(framing(sent)).toEqual(framing(pairs(headers)));
        const others = sent.filter(([key]) => key !== 'Host').map(([key, text]) => `${key}: ${text}`);
        const given = pairs(headers).map(([key, text]) => `${key}: ${text}`);
        let at = -1;
        for (const header of others) {
          at = given.indexOf(header, at + 1);
          expect(at).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test('a guest of HTTP/1.0 is sent no chunks', () => {
    const headers = ['Transfer-Encoding', 'chunked', 'X-A', '1', 'Connection', 'X-A'];
    expect(rewriteResponseHeaders(headers, true)).toEqual(['Transfer-Encoding', 'chunked']);
    expect(rewriteResponseHeaders(headers, false)).toEqual([]);
  });
});
