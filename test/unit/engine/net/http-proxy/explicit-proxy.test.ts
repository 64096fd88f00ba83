import { once } from 'node:events';
import {
  ask,
  type Bench,
  bodyOf,
  closedPort,
  GATEWAY,
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

const open = (bench: Bench, port = 3128) => bench.open(bench.proxy.explicitProxy, { address: GATEWAY, port });
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';
const connectTo = (host: string, more = ''): string => `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;

/** A server that repeats what it hears until it hears the end. */
const startEcho = () => startTcp((socket) => socket.pipe(socket));

describe('without an upstream proxy', () => {
  test.each(['127.0.0.1', 'localhost'])('GET from the host itself as %s', async (host) => {
    const origin = await startFixed(OK);
    const bench = await startProxy({});
    const answer = await ask(
      await open(bench),
      `GET http://${host}:${origin.port}/x HTTP/1.1\r\nHost: ${host}:${origin.port}\r\nConnection: close\r\n\r\n`,
    );
    expect(bodyOf(answer)).toBe('ok');
    expect(origin.heads[0]).toMatch(new RegExp(`^GET /x HTTP/1.1\r\nHost: ${host}:${origin.port}\r\n`));
    expect(origin.heads[0]!.match(/^host:/gim)).toHaveLength(1);
  });

  test('a path with a Host header will do', async () => {
    const origin = await startFixed(OK);
    const bench = await startProxy({});
    const request = `GET /x HTTP/1.1\r\nHost: localhost:${origin.port}\r\nConnection: close\r\n\r\n`;
    expect(statusOf(await ask(await open(bench), request))).toBe(200);
  });

  test('GET after GET, from one host and another, over one connection', async () => {
    const first = await startHttp((request, response) => response.end(`first${request.url}`));
    const second = await startHttp((request, response) => response.end(`second${request.url}`));
    const bench = await startProxy({});
    const guest = await open(bench);
    for (const [name, { port }] of Object.entries({ first, second })) {
      for (const path of ['/1', '/2']) {
        guest.write(`GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        expect(await readUntil(guest, new RegExp(`${name}${path}`))).toContain('200 OK');
      }
    }
  });

  test('CONNECT makes a tunnel, each direction ends by itself', async () => {
    const origin = await startEcho();
    const bench = await startProxy({});
    const guest = await open(bench);
    guest.write(`${connectTo(`localhost:${portOf(origin)}`)}early`);
    expect(await readUntil(guest, /early$/)).toBe('HTTP/1.1 200 Connection established\r\n\r\nearly');
    guest.end('last words');
    expect(await readAll(guest)).toBe('last words');
  });

  test('the end of the server’s side leaves the guest’s open', async () => {
    const heard: string[] = [];
    const origin = await startTcp((socket) => {
      socket.end('done');
      socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
      socket.on('end', () => heard.push('end'));
    });
    const accepted = once(origin, 'connection');
    const bench = await startProxy({});
    const guest = await open(bench);
    guest.write(connectTo(`127.0.0.1:${portOf(origin)}`));
    const ended = once(guest, 'end');
    guest.resume();
    await ended;
    const [socket] = await accepted;
    const heardAll = once(socket, 'end');
    guest.end('after');
    await heardAll;
    expect(heard.join(' ')).toBe('after end');
  });

  test.each(['guest', 'origin'])('a reset from the %s’s side ends the other', async (side) => {
    const origin = await startTcp((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => side === 'origin' && socket.resetAndDestroy());
    });
    const accepted = once(origin, 'connection');
    const bench = await startProxy({});
    const guest = await open(bench);
    guest.write(connectTo(`127.0.0.1:${portOf(origin)}`));
    await readUntil(guest, /200/);
    const [socket] = await accepted;
    const other = side === 'guest' ? socket : guest;
    const ended = Promise.race([once(other, 'end'), once(other, 'close')]);
    guest.resume();
    if (side === 'guest') guest.resetAndDestroy();
    else guest.write('x');
    await ended;
  });

  test('503 when the host cannot be connected to', async () => {
    const bench = await startProxy({});
    const port = await closedPort();
    expect(statusOf(await ask(await open(bench), connectTo(`localhost:${port}`)))).toBe(503);
    expect(statusOf(await ask(await open(bench), `GET http://localhost:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`))).toBe(
      503,
    );
  });

  test('503 when there is no host of that name', async () => {
    const dial = () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }));
    const bench = await startProxy({}, { dial });
    for (const request of [connectTo('no.invalid:443'), 'GET http://no.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n']) {
      const answer = await ask(await open(bench), request);
      expect(statusOf(answer)).toBe(503);
      expect(bodyOf(answer)).toMatch(/cannot connect to no\.invalid:\d+: there is no host of that name/);
    }
  });

  test('403 for hosts that are not on the list, a tunnel for those that are', async () => {
    const origin = await startEcho();
    const bench = await startProxy({ allow_enabled: true, allow: ['localhost'], allow_error_msg: 'not %s' });
    const allowed = await open(bench);
    allowed.write(connectTo(`localhost:${portOf(origin)}`));
    expect(await readUntil(allowed, /\r\n\r\n/)).toContain('200');
    const refused = await ask(await open(bench), connectTo(`127.0.0.1:${portOf(origin)}`));
    expect([statusOf(refused), bodyOf(refused)]).toEqual([403, 'not 127.0.0.1\n']);
  });

  test('403 for requests that would come back', async () => {
    const bench = await startProxy({}, { ownHosts: [GATEWAY, 'gateway.internal'] });
    for (const host of [`${GATEWAY}:3128`, 'Gateway.Internal:3129']) {
      expect(statusOf(await ask(await open(bench), connectTo(host)))).toBe(403);
      expect(statusOf(await ask(await open(bench), `GET http://${host}/ HTTP/1.1\r\nHost: x\r\n\r\n`))).toBe(403);
    }
    bench.configure({ http: `${GATEWAY}:3128` });
    expect(statusOf(await ask(await open(bench), connectTo('a.example:443')))).toBe(403);
  });

  test.each(['a.example', 'a.example:0', ':443', 'http://a/', 'u@a.example:443'])(
    '400 for CONNECT %s',
    async (host) => {
      const bench = await startProxy({});
      expect(statusOf(await ask(await open(bench), connectTo(host)))).toBe(400);
    },
  );

  test('400 for an address that needs TLS', async () => {
    const bench = await startProxy({});
    expect(statusOf(await ask(await open(bench), 'GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n'))).toBe(400);
  });
});

describe('with an upstream proxy', () => {
  test('CONNECT is sent on, credentials added, and the tunnel is theirs', async () => {
    const heads: string[] = [];
    const upstream = await startTcp((socket) => {
      socket.once('data', (chunk: Buffer) => {
        heads.push(chunk.toString());
        socket.write('HTTP/1.0 200 OK\r\n\r\nhello');
        socket.pipe(socket);
      });
    });
    const bench = await startProxy({ https: `http://user:password@127.0.0.1:${portOf(upstream)}` });
    const guest = await open(bench, 3129);
    guest.write(
      connectTo('a.example:8443', 'User-Agent: x\r\nTransfer-Encoding: chunked\r\nProxy-Connection: keep-alive\r\n'),
    );
    expect(await readUntil(guest, /hello$/)).toBe('HTTP/1.1 200 Connection established\r\n\r\nhello');
    const credentials = Buffer.from('user:password').toString('base64');
    expect(heads[0]!.split('\r\n').filter((line) => !line.startsWith('Connection'))).toEqual([
      'CONNECT a.example:8443 HTTP/1.1',
      'Host: a.example:8443',
      'User-Agent: x',
      `Proxy-Authorization: Basic ${credentials}`,
      '',
      '',
    ]);
    guest.end('bye');
    expect(await readAll(guest)).toBe('bye');
  });

  test('each port has its own', async () => {
    const http = await startFixed(OK);
    const https = await startFixed(OK);
    const bench = await startProxy({ http: `127.0.0.1:${http.port}`, https: `127.0.0.1:${https.port}` });
    await ask(await open(bench, 3128), 'GET http://a/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await ask(await open(bench, 3129), 'GET http://a/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(http.heads[0]).toContain('http://a/1');
    expect(https.heads[0]).toContain('http://a/2');
  });

  test('excluded hosts get their tunnel without it', async () => {
    const origin = await startEcho();
    const bench = await startProxy({ http: `127.0.0.1:${await closedPort()}`, exclude: '*.local localhost' });
    const guest = await open(bench);
    guest.write(connectTo(`localhost:${portOf(origin)}`));
    expect(await readUntil(guest, /\r\n\r\n/)).toContain('200');
  });

  test.each([
    ['with a length', 407, 'Content-Length: 2\r\n', 'no', 'no'],
    ['in chunks', 403, 'Transfer-Encoding: chunked\r\n', '2\r\nno\r\n0\r\n\r\n', '2\r\nno\r\n0\r\n\r\n'],
    ['until the end', 502, '', 'no', 'no'],
    ['without a body', 403, 'Content-Length: 0\r\n', '', ''],
  ])('its refusal reaches the guest, the page %s', async (_kind, status, header, page, expected) => {
    const upstream = await startFixed(`HTTP/1.1 ${status} No\r\nProxy-Authenticate: Basic\r\n${header}\r\n${page}`);
    const bench = await startProxy({ http: `127.0.0.1:${upstream.port}` });
    const answer = await ask(await open(bench), connectTo('a.example:443'));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} No\r\nProxy-Authenticate: Basic\r\n`));
    expect(bodyOf(answer)).toBe(expected);
  });

  test('a refusal ends by its length although the upstream proxy stays', async () => {
    const upstream = await startTcp((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno, and more'));
    });
    const bench = await startProxy({ http: `127.0.0.1:${portOf(upstream)}` });
    expect(bodyOf(await ask(await open(bench), connectTo('a.example:443')))).toBe('no');
  });

  test('503 when it cannot be reached, 502 when it talks nonsense', async () => {
    const bench = await startProxy({ http: `127.0.0.1:${await closedPort()}` });
    expect(statusOf(await ask(await open(bench), connectTo('a.example:443')))).toBe(503);
    for (const text of ['nonsense', '']) {
      const upstream = await startFixed(text);
      bench.configure({ http: `127.0.0.1:${upstream.port}` });
      expect(statusOf(await ask(await open(bench), connectTo('a.example:443')))).toBe(502);
    }
  });

  test('a guest that leaves while it waits takes the attempt with it', async () => {
    const upstream = await startTcp(() => undefined);
    const accepted = once(upstream, 'connection');
    const bench = await startProxy({ http: `127.0.0.1:${portOf(upstream)}` });
    const guest = await open(bench);
    guest.write(connectTo('a.example:443'));
    const [socket] = await accepted;
    const closed = once(socket, 'close');
    socket.resume();
    socket.on('end', () => socket.end());
    guest.resetAndDestroy();
    await closed;
  });
});
