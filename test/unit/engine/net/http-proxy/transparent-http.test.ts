import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as openRequest } from 'node:http';
import {
  ask,
  type Bench,
  bodyOf,
  closedPort,
  portOf,
  readAll,
  readUntil,
  startFixed,
  startHttp,
  startProxy,
  startTcp,
  statusOf,
  watchSockets,
} from './harness';

watchSockets();

/** A guest's flow to a web server somewhere. */
const toWeb = (bench: Bench) => bench.open(bench.proxy.transparentHttp, { address: '203.0.113.9', port: 80 });
/** A guest's flow to a web server on this host. */
const toLocal = (bench: Bench, port: number) => bench.open(bench.proxy.transparentHttp, { address: '127.0.0.1', port });

const closedConnections = async (bench: Bench): Promise<void> => {
  while (bench.proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
};

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';
const GET = 'GET /a?b=%20c HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n';

describe('through the upstream proxy', () => {
  test('a request gets an absolute address', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    expect(bodyOf(await ask(await toWeb(bench), GET))).toBe('ok');
    expect(upstream.heads[0]).toMatch(
      /^GET http:\/\/www\.example\.org\/a\?b=%20c HTTP\/1\.1\r\nHost: www\.example\.org\r\n/,
    );
  });

  test('an address that is absolute already stays so, and its host beats the header', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `http://127.0.0.1:${upstream.port}/` });
    await ask(await toWeb(bench), 'GET http://www.example.org/a HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n');
    expect(upstream.heads[0]).toMatch(/^GET http:\/\/www\.example\.org\/a HTTP\/1\.1\r\nHost: www\.example\.org\r\n/);
  });

  test('headers keep order and spelling, Host is there once, those of the hop are not', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const headers = [
      'user-agent: whatever',
      'X-Dave-Is-Cool: true',
      'HOST: www.example.org',
      'Authorization: Basic foobar',
      'X-Twice: 1',
      'Accept: */*',
      'X-Twice: 2',
    ];
    await ask(
      await toWeb(bench),
      `GET / HTTP/1.1\r\n${headers.join('\r\n')}\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nConnection: close, X-Hop\r\n\r\n`,
    );
    const [, ...sent] = upstream.heads[0]!.split('\r\n');
    expect(sent.slice(0, -2)).toEqual([...headers, 'Connection: keep-alive']);
  });

  test('a header named by Connection is not sent on, unless the message would mean something else', async () => {
    const upstream = await startHttp((request, response) => request.pipe(response));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    const answer = await ask(
      guest,
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, content-length, host\r\n\r\nhello',
    );
    expect(answer).toContain('hello');
    expect(upstream.requests[0]!.headers).toMatchObject({ host: 'a', 'content-length': '5' });
  });

  test('the credentials in its address are given to it, in place of the guest’s', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `http://user:pass%40word@127.0.0.1:${upstream.port}` });
    await ask(await toWeb(bench), GET.replace('\r\n\r\n', '\r\nProxy-Authorization: Basic x\r\n\r\n'));
    const credentials = Buffer.from('user:pass@word').toString('base64');
    expect(upstream.heads[0]!.match(/proxy-authorization: .*/gi)).toEqual([
      `Proxy-Authorization: Basic ${credentials}`,
    ]);
  });

  test('without credentials of ours the guest’s own reach it, but never an origin', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const request = GET.replace('\r\n\r\n', '\r\nProxy-Authorization: Basic x\r\n\r\n');
    await ask(await toWeb(bench), request);
    expect(upstream.heads[0]).toContain('Proxy-Authorization: Basic x');
    bench.configure({ http: `127.0.0.1:${await closedPort()}`, exclude: '127.0.0.1' });
    await ask(await toLocal(bench, upstream.port), request);
    expect(upstream.heads[1]).not.toContain('Proxy-Authorization');
  });

  test.each([
    [407, 'Proxy Authentication Required'],
    [403, 'Forbidden'],
  ])('its refusal %d reaches the guest', async (status, message) => {
    const upstream = await startFixed(
      `HTTP/1.1 ${status} ${message}\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 2\r\n\r\nno`,
    );
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const answer = await ask(await toWeb(bench), GET);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} ${message}\r\nProxy-Authenticate: Basic realm="x"\r\n`));
    expect(bodyOf(answer)).toBe('no');
  });

  test('without a Host header the request is for the address that the guest was going to', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    await ask(await toWeb(bench), 'GET /x HTTP/1.0\r\n\r\n');
    expect(upstream.heads[0]).toMatch(/^GET http:\/\/203\.0\.113\.9\/x HTTP\/1\.1\r\nHost: 203\.0\.113\.9\r\n/);
  });

  test('OPTIONS * has an address without a path', async () => {
    const upstream = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    await ask(await toWeb(bench), 'OPTIONS * HTTP/1.1\r\nHost: a.example:8080\r\nConnection: close\r\n\r\n');
    expect(upstream.heads[0]).toMatch(/^OPTIONS http:\/\/a\.example:8080 HTTP\/1\.1\r\nHost: a\.example:8080\r\n/);
  });

  test('one connection to it serves the guest’s requests one after the other', async () => {
    let connections = 0;
    const upstream = await startHttp((request, response) => response.end(request.url));
    upstream.server.on('connection', () => connections++);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    for (const path of ['/1', '/2', '/3']) {
      guest.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(await readUntil(guest, new RegExp(`http://a${path}`))).toContain('200');
    }
    expect(connections).toBe(1);
  });

  test('requests sent ahead are answered in order', async () => {
    const upstream = await startHttp((request, response) => response.end(`<${request.url}>`));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const requests = Array.from({ length: 10 }, (_, index) => `GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    const answer = await ask(
      await toWeb(bench),
      `${requests}GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    const paths = [...answer.matchAll(/<http:\/\/a\/(\w+)>/g)].map(([, path]) => path);
    expect(paths).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'end']);
  });

  test('a guest that sends ahead without end is cut off', async () => {
    const upstream = await startTcp(() => undefined);
    const bench = await startProxy({ http: `127.0.0.1:${portOf(upstream)}` });
    expect(await ask(await toWeb(bench), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000))).toBe('');
  });

  test('a connection that went away meanwhile is replaced', async () => {
    const upstream = await startHttp((request, response) => response.end(request.url));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    await readUntil(guest, /\/1/);
    upstream.server.closeAllConnections();
    guest.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(statusOf(await readUntil(guest, /\/2/))).toBe(200);
  });
});

describe('straight to the origin', () => {
  test.each([
    ['suffix', { exclude: 'example.org' }],
    ['address', { exclude: '127.0.0.1' }],
    ['prefix', { exclude: 'foo, 127.0.0.0/8' }],
  ])('excluded by %s: the request stays as it is', async (_kind, exclusion) => {
    const origin = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${await closedPort()}`, ...exclusion });
    const answer = await ask(await toLocal(bench, origin.port), GET);
    expect(bodyOf(answer)).toBe('ok');
    expect(origin.heads[0]).toMatch(/^GET \/a\?b=%20c HTTP\/1\.1\r\nHost: www\.example\.org\r\n/);
  });
});

test('a guest that takes the server for a proxy has its excluded hosts reached by us', async () => {
  const origin = await startFixed(OK);
  const bench = await startProxy({ http: `127.0.0.1:${await closedPort()}`, exclude: 'localhost' });
  const host = `localhost:${origin.port}`;
  await ask(await toWeb(bench), `GET http://${host}/x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  expect(origin.heads[0]).toMatch(/^GET \/x HTTP/);
  const guest = await toWeb(bench);
  guest.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\nhello`);
  expect(await readAll(guest)).toBe(`HTTP/1.1 200 Connection established\r\n\r\n${OK}`);
});

describe('messages', () => {
  test('HEAD has no body, and the connection goes on', async () => {
    const upstream = await startHttp((_request, response) =>
      response.writeHead(200, { 'Content-Length': 5 }).end('hello'),
    );
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    const head = await readUntil(guest, /\r\n\r\n/);
    expect(head).toContain('Content-Length: 5');
    guest.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await readAll(guest)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nhello$/);
  });

  test.each([
    ['HTTP/1.0 200 OK\r\nConnection:close\r\n\r\nHello\n'],
    ['HTTP/1.0 200 OK\r\n\r\nHello\n'],
    ['HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nHello\n'],
  ])('an answer that ends with its connection ends the guest’s: %j', async (text) => {
    const upstream = await startFixed(text);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const answer = await ask(await toWeb(bench), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer).toContain('Connection: close');
    expect(bodyOf(answer)).toBe('6\r\nHello\n\r\n0\r\n\r\n');
  });

  test('a guest of HTTP/1.0 gets no chunks, and the end of the connection for the end', async () => {
    const upstream = await startHttp((_request, response) => {
      response.write('one ');
      response.end('two');
    });
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const answer = await ask(await toWeb(bench), 'GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(answer).not.toMatch(/transfer-encoding/i);
    expect(bodyOf(answer)).toBe('one two');
  });

  test('a guest that closes its side after the request gets its answer', async () => {
    const upstream = await startHttp((_request, response) => setImmediate(() => response.end('late')));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await readAll(guest)).toContain('late');
  });

  test('chunks and trailers arrive in both directions', async () => {
    const upstream = await startHttp((request, response) => {
      response.writeHead(200, { Trailer: 'X-Sum' });
      request.on('end', () => response.addTrailers({ 'X-Sum': request.trailers['x-sum'] ?? 'none' }));
      request.pipe(response);
    });
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const answer = await ask(
      await toWeb(bench),
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n',
    );
    expect(bodyOf(answer)).toBe('5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n');
  });

  test('a POST without a body says so', async () => {
    const upstream = await startHttp((_request, response) => response.end());
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    await ask(await toWeb(bench), 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(upstream.requests[0]!.headers).toMatchObject({ 'content-length': '0' });
    expect(upstream.requests[0]!.headers['transfer-encoding']).toBeUndefined();
  });

  test('Expect: 100-continue waits for the next hop’s word', async () => {
    const upstream = await startHttp(() => undefined);
    upstream.server.on('checkContinue', (request, response) => {
      response.writeContinue();
      request.pipe(response);
    });
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n');
    await readUntil(guest, /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    expect(await ask(guest, 'body')).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*body/);
  });

  test('a large answer passes, and a reader that waits holds its sender back', async () => {
    const total = 64 * 1024 * 1024;
    const block = Buffer.alloc(64 * 1024, 'x');
    let produced = 0;
    const upstream = await startHttp((_request, response) => {
      response.writeHead(200, { 'Content-Length': total });
      const fill = (): void => {
        while (produced < total) {
          produced += block.length;
          if (!response.write(block)) return void response.once('drain', fill);
        }
        response.end();
      };
      fill();
    });
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.pause();
    guest.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await once(guest, 'readable');
    // The producer stands still once every buffer on the way is full, long before the end.
    for (let before = -1; before !== produced; ) {
      before = produced;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(produced).toBeLessThan(total / 2);
    let received = 0;
    for await (const chunk of guest as AsyncIterable<Buffer>) received += chunk.length;
    expect(received).toBeGreaterThan(total);
  }, 60_000);

  test('a large upload arrives whole', async () => {
    const upstream = await startHttp((request, response) => {
      const hash = createHash('sha256');
      request.on('data', (chunk: Buffer) => hash.update(chunk));
      request.on('end', () => response.end(hash.digest('hex')));
    });
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    const body = Buffer.alloc(8 * 1024 * 1024, 'abcdefg');
    const upload = openRequest({
      createConnection: () => guest,
      method: 'PUT',
      host: 'a',
      path: '/',
      headers: { 'Content-Length': body.length },
    });
    upload.end(body);
    const [answer] = await once(upload, 'response');
    let text = '';
    for await (const chunk of answer) text += chunk;
    expect(text).toBe(createHash('sha256').update(body).digest('hex'));
  });
});

describe('upgrades', () => {
  const OFFER =
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n';

  test('an accepted one makes a tunnel', async () => {
    const upstream = await startHttp(() => undefined);
    upstream.server.on('upgrade', (request, socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n${request.url}`,
      );
      socket.pipe(socket);
    });
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write(`${OFFER}early`);
    const head = await readUntil(guest, /early$/);
    expect(head).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhttp://a/wsearly',
    );
    guest.end('bye');
    expect(await readAll(guest)).toBe('bye');
  });

  test('a declined one is an answer', async () => {
    const upstream = await startHttp((_request, response) => response.writeHead(426).end('no'));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const answer = await ask(await toWeb(bench), OFFER);
    expect(statusOf(answer)).toBe(426);
    expect(answer).not.toMatch(/transfer-encoding/i);
    expect(bodyOf(answer)).toBe('no');
  });

  test('an offer of HTTP/2 is left out, with and without a body', async () => {
    const upstream = await startHttp((request, response) => request.pipe(response));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write(
      'POST /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nContent-Length: 3\r\n\r\none',
    );
    await readUntil(guest, /one/);
    const answer = await ask(guest, 'GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(statusOf(answer)).toBe(200);
    expect(upstream.requests.map(({ url }) => url)).toEqual(['http://a/1', 'http://a/2']);
    expect(upstream.requests[0]!.headers.upgrade).toBeUndefined();
    expect(upstream.requests[0]!.headers['http2-settings']).toBeUndefined();
  });
});

describe('what cannot be done is said', () => {
  test('503 when the upstream proxy cannot be reached', async () => {
    const port = await closedPort();
    const bench = await startProxy({ http: `127.0.0.1:${port}` });
    const answer = await ask(await toWeb(bench), GET);
    expect(statusOf(answer)).toBe(503);
    expect(bodyOf(answer)).toContain(`cannot connect to 127.0.0.1:${port}`);
  });

  test('503 when nobody answers in time', async () => {
    const dial = () => new Promise<never>(() => undefined);
    const bench = await startProxy({ http: 'proxy.invalid:1' }, { dial, connectMs: 20 });
    expect(bodyOf(await ask(await toWeb(bench), GET))).toContain('no answer within 20 ms');
  });

  test('502 when what answers does not speak HTTP, or is silent', async () => {
    for (const text of ['SSH-2.0-x\r\n', '', 'HTTP/1.1 099 x\r\n\r\n']) {
      const upstream = await startFixed(text);
      const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
      expect(statusOf(await ask(await toWeb(bench), GET))).toBe(502);
    }
  });

  test('403 with the words of the policy', async () => {
    const bench = await startProxy({
      allow_enabled: true,
      allow: ['mit.edu'],
      allow_error_msg: 'stop connecting to %s',
    });
    const answer = await ask(await toWeb(bench), GET);
    expect(statusOf(answer)).toBe(403);
    expect(bodyOf(answer)).toBe('stop connecting to www.example.org\n');
  });

  test('under a policy a request goes to the host that was checked, not to where the guest pretends it is', async () => {
    const allowed = await startFixed(OK);
    const forbidden = await startFixed(OK);
    const bench = await startProxy({ allow_enabled: true, allow: ['localhost'] });
    const guest = await toLocal(bench, forbidden.port);
    await ask(guest, `GET / HTTP/1.1\r\nHost: localhost:${allowed.port}\r\nConnection: close\r\n\r\n`);
    expect([allowed.heads.length, forbidden.heads.length]).toEqual([1, 0]);
  });

  test.each([
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n',
    'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'nonsense\r\n\r\n',
  ])('400 for %j', async (request) => {
    const bench = await startProxy({ http: 'proxy.invalid:1' });
    expect(statusOf(await ask(await toWeb(bench), request))).toBe(400);
  });

  test('431 for a head without end', async () => {
    const bench = await startProxy({ http: 'proxy.invalid:1' });
    const guest = await toWeb(bench);
    expect(statusOf(await ask(guest, `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`))).toBe(431);
  });

  test('a guest that says nothing, or half of it, is let go', async () => {
    const bench = await startProxy({ http: 'proxy.invalid:1' }, { headMs: 20 });
    const guest = await toWeb(bench);
    expect(await ask(guest, 'GET / HT')).toBe('');
    await closedConnections(bench);
  });

  test('more connections than there may be are closed', async () => {
    const bench = await startProxy({ http: 'proxy.invalid:1' }, { maxConnections: 1 });
    await toWeb(bench);
    expect(await readAll(await toWeb(bench))).toBe('');
    expect(bench.proxy.connections).toBe(1);
  });
});

describe('ends', () => {
  test('a guest that leaves takes its request with it', async () => {
    const upstream = await startHttp((_request, response) => void response.write('begin'));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await readUntil(guest, /begin/);
    const closed = once(upstream.requests[0]!.socket, 'close');
    guest.resetAndDestroy();
    await closed;
  });

  test('an answer that breaks off breaks off for the guest', async () => {
    const upstream = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
        setImmediate(() => socket.destroy());
      });
    });
    const bench = await startProxy({ http: `127.0.0.1:${portOf(upstream)}` });
    const guest = await toWeb(bench);
    const closed = once(guest, 'close');
    guest.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    guest.resume();
    guest.once('end', () => guest.end());
    await closed;
    expect(guest.bytesRead).toBeLessThan(150);
  });

  test('close ends everything', async () => {
    const upstream = await startHttp((_request, response) => void response.write('begin'));
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const guest = await toWeb(bench);
    guest.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await readUntil(guest, /begin/);
    bench.proxy.close();
    await once(upstream.requests[0]!.socket, 'close');
    expect(bench.proxy.connections).toBe(0);
  });
});
