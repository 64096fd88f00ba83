// VPNKit's HTTP list, asked with curl by a guest that is Linux itself.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { whyNoNamespaces } from '../../support/namespace';
import { describeWith } from '../../support/peers';
import { ask } from '../../unit/engine/net/control/control-fixture';
import { GATEWAY, HOST, type VpnkitGuest, withVpnkitGuest } from './fixtures/vpnkit-guest';

jest.setTimeout(60_000);

const noCurl = spawnSync('curl', ['--version']).error === undefined ? undefined : 'there is no curl here';
const noTap = existsSync('/dev/net/tun') ? undefined : 'there is no /dev/net/tun here';

/** What the proxy of the host was asked: its requests' first lines, hosts and credentials. */
interface Asked {
  readonly line: string;
  readonly host: string | undefined;
  readonly credentials: string | undefined;
}

describeWith('a guest that speaks HTTP', [whyNoNamespaces(), noTap, noCurl], () => {
  let folder: string;
  let origin: Server;
  let proxy: Server;
  let originPort: number;
  const asked: Asked[] = [];

  const listen = async (serve: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> => {
    const server = createServer(serve);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return server;
  };
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;

  beforeAll(async () => {
    origin = await listen((request, response) => {
      response.setHeader('X-Url', request.url ?? '');
      response.end(`origin ${request.method} ${request.headers.host} ${request.headers.authorization ?? ''}`);
    });
    originPort = portOf(origin);
    proxy = await listen((request, response) => {
      const { host, 'proxy-authorization': credentials } = request.headers;
      asked.push({ line: `${request.method} ${request.url}`, host, credentials });
      response.end(`through the proxy, ${request.headers.authorization ?? 'nobody'}`);
    });
    proxy.on('connect', (request, socket) => {
      asked.push({
        line: `CONNECT ${request.url}`,
        host: request.headers.host,
        credentials: request.headers['proxy-authorization'],
      });
      const target = connect(originPort, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(target).pipe(socket);
      });
      for (const end of [socket, target]) end.on('error', () => undefined);
    });
  });
  afterAll(() => {
    for (const server of [origin, proxy]) {
      server.close();
      server.closeAllConnections();
    }
  });
  beforeEach(() => {
    asked.length = 0;
    folder = mkdtempSync(path.join(tmpdir(), 'hk-curl-'));
    writeFileSync(path.join(folder, 'hosts'), '203.0.113.5 www.example\n203.0.113.6 other.example\n');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const withHttp = (config: object, use: (guest: VpnkitGuest) => Promise<void>): Promise<void> => {
    writeFileSync(path.join(folder, 'http.json'), JSON.stringify(config));
    const words = ['--http', path.join(folder, 'http.json'), '--http-api-path', path.join(folder, 'api')];
    return withVpnkitGuest([...words, '--hosts', path.join(folder, 'hosts')], use);
  };
  /** The body, then the status. */
  const curl = async (guest: VpnkitGuest, ...words: readonly string[]): Promise<string> => {
    const { stdout } = await guest.namespace.run('curl', ['-sS', '-m', '10', '-w', ' %{http_code}', ...words]);
    return stdout;
  };
  const resolving = (name: string, address: string): readonly string[] => ['--resolve', `${name}:80:${address}`];

  test('gets what a server of the host has when nothing is intercepted', async () => {
    await withVpnkitGuest([], async (guest) => {
      expect(await curl(guest, `http://${HOST}:${originPort}/`)).toBe(`origin GET ${HOST}:${originPort}  200`);
    });
  });

  test('has its requests rewritten for the proxy, whose credentials are added and its own kept', async () => {
    const http = `http://mine:secret@127.0.0.1:${portOf(proxy)}`;
    await withHttp({ http, https: http, exclude: '203.0.113.6/32' }, async (guest) => {
      const www = resolving('www.example', '203.0.113.5');
      expect(await curl(guest, ...www, '-u', 'me:word', 'http://www.example/a?b=c')).toBe(
        `through the proxy, Basic ${btoa('me:word')} 200`,
      );
      expect(asked).toEqual([
        { line: 'GET http://www.example/a?b=c', host: 'www.example', credentials: `Basic ${btoa('mine:secret')}` },
      ]);
      expect(await curl(guest, ...www, '-I', 'http://www.example/')).toContain(' 200');
      expect(await curl(guest, ...www, '-0', 'http://www.example/old')).toMatch(/^through .* 200$/);
      expect(await curl(guest, ...www, '-H', 'Connection: close', 'http://www.example/')).toMatch(/^through .* 200$/);
      const two = await curl(guest, ...www, 'http://www.example/1', 'http://www.example/2');
      expect(two.match(/through/g)).toHaveLength(2);
    });
  });

  test('uses the gateway as its proxy: GET by address and by name, and CONNECT through the host’s proxy', async () => {
    await withHttp({ https: `http://127.0.0.1:${portOf(proxy)}` }, async (guest) => {
      const direct = ['-x', `http://${GATEWAY}:3128`];
      const url = `http://127.0.0.1:${originPort}/x`;
      expect(await curl(guest, ...direct, url)).toBe(`origin GET 127.0.0.1:${originPort}  200`);
      expect(await curl(guest, ...direct, `http://localhost:${originPort}/x`)).toMatch(/^origin GET localhost.* 200$/);
      expect(await curl(guest, '-x', `http://${GATEWAY}:3129`, '-p', `http://www.example:${originPort}/x`)).toMatch(
        /^origin GET www.* 200$/,
      );
      expect(asked.map(({ line }) => line)).toEqual([`CONNECT www.example:${originPort}`]);
    });
  });

  test('is told in HTTP what cannot be done', async () => {
    const http = 'http://127.0.0.1:9';
    await withHttp({ http, allow_enabled: true, allow: ['www.example', 'nowhere.example'] }, async (guest) => {
      expect(await curl(guest, ...resolving('www.example', '203.0.113.5'), 'http://www.example/')).toMatch(/ 503$/);
      const other = await curl(guest, ...resolving('other.example', '203.0.113.6'), 'http://other.example/');
      expect(other).toMatch(/policy[\s\S]* 403$/);
    });
    await withHttp({}, async (guest) => {
      expect(await curl(guest, '-x', `http://${GATEWAY}:3128`, 'http://nowhere.invalid/')).toMatch(/ 503$/);
      expect(await curl(guest, '-x', `http://${GATEWAY}:3128`, 'http://127.0.0.1:9/')).toMatch(/ 503$/);
    });
  });

  test('notices at once what is changed over the API', async () => {
    await withHttp({}, async (guest) => {
      const api = path.join(folder, 'api');
      const www = resolving('www.example', '203.0.113.5');
      const posted = await ask(api, 'POST', '/http_proxy.json', { http: `127.0.0.1:${portOf(proxy)}` });
      expect(posted.status).toBe(200);
      expect(await curl(guest, ...www, 'http://www.example/')).toMatch(/^through .* 200$/);
    });
  });
});
