import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as openRequest } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { parseHttpProxyConfig, parseHttpProxyJson } from '../../../../../engine/net/http-proxy/config';
import { createConfigApi } from '../../../../../engine/net/http-proxy/config-api';
import { createHttpProxy } from '../../../../../engine/net/http-proxy/http-proxy';
import { createLiveConfig, watchConfigFile } from '../../../../../engine/net/http-proxy/live-config';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { until } from '../../../../support/until';

describe('reading', () => {
  test('nothing means VPNKit’s defaults', () => {
    const config = parseHttpProxyConfig({});
    expect(config.json).toEqual({
      exclude: '',
      transparent_http_ports: [80],
      transparent_https_ports: [443],
      allow_enabled: false,
      allow: [],
      allow_error_msg: 'Connections to %s are forbidden by policy. Please contact your IT administrator.',
    });
    expect([config.http, config.https, config.allow]).toEqual([undefined, undefined, undefined]);
    expect(config.refusalOf('a$&b')).toContain('Connections to a$&b are forbidden');
  });

  test('a complete one', () => {
    const config = parseHttpProxyConfig({
      http: 'proxy.example:3128',
      https: 'http://me:se%3Acret@[::1]:8080/',
      exclude: '*.local, 169.254/16\tfoo',
      transparent_http_ports: [80, 8080],
      allow_enabled: true,
      allow: ['a.example'],
      futureKey: 1,
    });
    expect(config.http).toEqual({ host: 'proxy.example', port: 3128 });
    const authorization = `Basic ${Buffer.from('me:se:cret').toString('base64')}`;
    expect(config.https).toEqual({ host: '::1', port: 8080, authorization });
    expect(['x.local', '169.254.1.1', 'foo', 'bar'].map((host) => config.exclude.matches(host))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(config.allow?.matches('a.example')).toBe(true);
  });

  test('an allow list that is not enabled allows all, an empty one nothing', () => {
    expect(parseHttpProxyConfig({ allow: ['a'] }).allow).toBeUndefined();
    expect(parseHttpProxyConfig({ allow_enabled: true }).allow?.matches('a')).toBe(false);
  });

  test.each([
    ['[]', 'it must be an object'],
    ['7', 'it must be an object'],
    ['{', 'it is not JSON'],
    ['{"http": 1}', 'http must be a text'],
    ['{"http": "proxy"}', 'http: cannot use this proxy address'],
    ['{"http": "u:hunter2@proxy"}', 'http: cannot use this proxy address'],
    ['{"https": "proxy:0"}', 'https: cannot use'],
    ['{"https": "socks5://proxy:1"}', 'https: cannot use'],
    ['{"exclude": "10.0.0.0/99"}', 'exclude: cannot use "10.0.0.0/99"'],
    ['{"allow": "a"}', 'allow must be a list of hosts'],
    ['{"allow": [1]}', 'allow.0 must be a text'],
    ['{"transparent_http_ports": [0]}', 'transparent_http_ports.0 must be at least 1'],
    ['{"transparent_https_ports": "443"}', 'must be a list of ports'],
    ['{"allow_enabled": "yes"}', 'allow_enabled must be true or false'],
  ])('%s is refused', (text, reason) => {
    const parse = () => parseHttpProxyJson(Buffer.from(text));
    expect(parse).toThrow(EngineError);
    expect(parse).toThrow(reason);
    expect(parse).not.toThrow('hunter2');
  });

  test('limits', () => {
    expect(() => parseHttpProxyJson(Buffer.alloc(2_000_000, ' '))).toThrow('longer than');
    expect(() => parseHttpProxyConfig({ exclude: 'a '.repeat(5000) })).toThrow('at most 4096 hosts');
    expect(() => parseHttpProxyConfig({ allow: Array(5000).fill('a') })).toThrow('at most 4096 hosts');
    expect(() => parseHttpProxyConfig({ http: 'x'.repeat(100_000) })).toThrow('at most 65536');
  });

  test('what is answered to GET can be posted again', () => {
    const proxy = fc.constantFrom('proxy:1', 'http://a:b@proxy.example:3128', '');
    const config = fc.record(
      {
        http: proxy,
        https: proxy,
        exclude: fc.constantFrom('', 'a b', '10/8'),
        allow_enabled: fc.boolean(),
        allow: fc.array(fc.domain()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(config, (given) => {
        const { json } = parseHttpProxyConfig(given);
        expect(parseHttpProxyJson(Buffer.from(JSON.stringify(json))).json).toEqual(json);
        expect(json).toMatchObject(given);
      }),
    );
  });

  test('anything is read or refused in our words', () => {
    const keys = ['http', 'https', 'exclude', 'transparent_http_ports', 'allow', 'allow_enabled', 'allow_error_msg'];
    const value = fc.oneof(fc.jsonValue(), fc.webUrl(), fc.string(), fc.array(fc.string()), fc.array(fc.integer()));
    const input = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...keys), value));
    fc.assert(
      fc.property(input, (given) => {
        try {
          parseHttpProxyConfig(given);
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
          expect((error as EngineError).message).toMatch(/^cannot use this HTTP proxy configuration: /);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('which flows are taken', () => {
  const services = (json: unknown) => {
    const proxy = createHttpProxy({ config: () => parseHttpProxyConfig(json), log: () => undefined });
    return (address: string, port: number): string => {
      const source = { address: '192.168.65.3', port: 1 };
      const service = proxy.intercept({ source, destination: { address, port } });
      return service === proxy.transparentHttp ? 'http' : service === proxy.transparentHttps ? 'https' : 'straight';
    };
  };

  test('none without a proxy or a policy', () => {
    const taken = services({});
    expect([taken('1.2.3.4', 80), taken('1.2.3.4', 443)]).toEqual(['straight', 'straight']);
  });

  test('each proxy’s ports', () => {
    const taken = services({
      http: 'p:1',
      https: 'p:2',
      transparent_http_ports: [80, 8080],
      transparent_https_ports: [8443],
    });
    expect([80, 8080, 443, 8443, 22].map((port) => taken('1.2.3.4', port))).toEqual([
      'http',
      'http',
      'straight',
      'https',
      'straight',
    ]);
    expect([80, 443].map((port) => services({ http: 'p:1' })('1.2.3.4', port))).toEqual(['http', 'straight']);
  });

  test('not to excluded addresses, unless a policy has to be kept', () => {
    const exclude = '10.0.0.0/8';
    expect(services({ http: 'p:1', exclude })('10.1.1.1', 80)).toBe('straight');
    expect(services({ http: 'p:1', exclude, allow_enabled: true })('10.1.1.1', 80)).toBe('http');
    expect(services({ allow_enabled: true })('1.2.3.4', 443)).toBe('https');
  });
});

describe('the file', () => {
  let folder = '';
  beforeEach(() => {
    folder = temporaryFolder();
  });

  test('comes, changes, is replaced, is spoilt, and goes', async () => {
    const file = path.join(folder, 'http_proxy.json');
    const live = createLiveConfig();
    const lines: string[] = [];
    const watching = watchConfigFile(file, live, (line) => lines.push(line));
    const port = () => live.current.http?.port;
    writeFileSync(file, '{"http": "proxy:1"}');
    await until('it comes', () => port() === 1);
    writeFileSync(file, '{"http": "proxy:2"}');
    await until('it changes', () => port() === 2);
    writeFileSync(path.join(folder, 'new'), '{"http": "proxy:3"}');
    renameSync(path.join(folder, 'new'), file);
    await until('it is replaced', () => port() === 3);
    writeFileSync(file, '{"http": ');
    await until('it is spoilt', () => lines.length === 1);
    expect(lines[0]).toBe('cannot use this HTTP proxy configuration: it is not JSON; the one before stays in force');
    expect(port()).toBe(3);
    rmSync(file);
    await until('it goes', () => port() === undefined);
    watching.close();
    writeFileSync(file, '{"http": "proxy:4"}');
    expect(process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap')).toEqual([]);
  });

  test('that cannot be used at the start is refused, and not watched', () => {
    const file = path.join(folder, 'http_proxy.json');
    writeFileSync(file, '[]');
    expect(() => watchConfigFile(file, createLiveConfig(), () => undefined)).toThrow('must be an object');
    expect(() => watchConfigFile(folder, createLiveConfig(), () => undefined)).toThrow(`cannot read ${folder}`);
    expect(process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap')).toEqual([]);
  });
});

describe('the API', () => {
  const live = createLiveConfig();
  const server = createServer(createConfigApi(live));
  let folder = '';
  let socketPath = '';
  beforeAll(async () => {
    folder = temporaryFolder();
    socketPath = path.join(folder, 'api');
    server.listen(socketPath);
    await once(server, 'listening');
  });
  afterAll(() => {
    server.close();
  });

  const call = async (method: string, url: string, body = ''): Promise<[number | undefined, string]> => {
    const request = openRequest({ socketPath, method, path: url, agent: false });
    // node's client reports the server's close when the answer is there already.
    request.on('error', () => undefined);
    request.end(body);
    const [response] = await once(request, 'response');
    let text = '';
    for await (const chunk of response) text += chunk;
    return [response.statusCode, text];
  };

  test('GET answers what POST set', async () => {
    expect(await call('POST', '/http_proxy.json', '{"http": "u:p@proxy:1", "exclude": "a b"}')).toEqual([200, '']);
    expect(live.current.http?.port).toBe(1);
    const [status, text] = await call('GET', '/http_proxy.json');
    expect([status, JSON.parse(text)]).toEqual([200, { ...live.current.json }]);
    expect(JSON.parse(text)).toMatchObject({ http: 'u:p@proxy:1', exclude: 'a b', transparent_http_ports: [80] });
  });

  test('400 says why and changes nothing', async () => {
    const before = live.current;
    expect(await call('POST', '/http_proxy.json', '{"allow": 1}')).toEqual([
      400,
      'cannot use this HTTP proxy configuration: allow must be a list of hosts\n',
    ]);
    expect((await call('POST', '/http_proxy.json', ' '.repeat(3_000_000)))[0]).toBe(400);
    expect(live.current).toBe(before);
  });

  test('404 for anything else', async () => {
    expect((await call('GET', '/'))[0]).toBe(404);
    expect((await call('GET', '/http_proxy.json/x'))[0]).toBe(404);
    expect((await call('DELETE', '/http_proxy.json'))[0]).toBe(404);
  });

  test('a client of HTTP/1.0 gets a length and the end of the connection', async () => {
    const client = connect(socketPath);
    client.write('GET /http_proxy.json HTTP/1.0\r\n\r\n');
    let text = '';
    for await (const chunk of client) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: \d+\r\n/);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({ allow_enabled: false });
  });
});
