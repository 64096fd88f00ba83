import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import path from 'node:path';
import { connect, createServer as createTlsServer } from 'node:tls';
import { temporaryFolder } from '../../../../support/temporary-folder';
import {
  type Bench,
  closedPort,
  portOf,
  readAll,
  readUntil,
  startFixed,
  startProxy,
  startTcp,
  watchSockets,
} from './harness';
import { helloOf } from './hello-bytes';

watchSockets();

let hello: Buffer;
beforeAll(async () => {
  hello = await helloOf({ servername: 'www.example.org' });
});

const toWeb = (bench: Bench) => bench.open(bench.proxy.transparentHttps, { address: '203.0.113.9', port: 443 });
const toLocal = (bench: Bench, port: number) =>
  bench.open(bench.proxy.transparentHttps, { address: '127.0.0.1', port });

/** Speaks CONNECT, keeps the heads, then repeats what it hears. */
async function startUpstream() {
  const heads: string[] = [];
  const server = await startTcp((socket) => {
    socket.once('data', (chunk: Buffer) => {
      heads.push(chunk.toString());
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(socket);
    });
  });
  return { heads, port: portOf(server) };
}

const startEcho = () => startTcp((socket) => socket.pipe(socket));

test('a flow goes through CONNECT by the name in the hello, which arrives whole', async () => {
  const upstream = await startUpstream();
  const bench = await startProxy({ https: `http://user:password@127.0.0.1:${upstream.port}` });
  const guest = await toWeb(bench);
  guest.write(hello.subarray(0, 10));
  guest.end(hello.subarray(10));
  expect(await readAll(guest)).toBe(hello.toString('latin1'));
  const credentials = Buffer.from('user:password').toString('base64');
  expect(upstream.heads[0]).toMatch(/^CONNECT www\.example\.org:443 HTTP\/1\.1\r\nHost: www\.example\.org:443\r\n/);
  expect(upstream.heads[0]).toContain(`Proxy-Authorization: Basic ${credentials}\r\n`);
});

test('without a name it is the address', async () => {
  const upstream = await startUpstream();
  const bench = await startProxy({ https: `127.0.0.1:${upstream.port}` });
  const guest = await toWeb(bench);
  guest.end('no TLS');
  expect(await readAll(guest)).toBe('no TLS');
  expect(upstream.heads[0]).toMatch(/^CONNECT 203\.0\.113\.9:443 HTTP\/1\.1\r\nHost: 203\.0\.113\.9:443\r\n/);
});

test.each(['www.example.org', '127.0.0.1/32'])(
  'excluded by %s a flow goes to where the guest meant it to',
  async (exclude) => {
    const origin = await startEcho();
    const bench = await startProxy({ https: `127.0.0.1:${await closedPort()}`, exclude });
    const guest = await toLocal(bench, portOf(origin));
    guest.end(hello);
    expect(await readAll(guest)).toBe(hello.toString('latin1'));
  },
);

test('the policy judges by name, and by address where there is none', async () => {
  const origin = await startEcho();
  const bench = await startProxy({ allow_enabled: true, allow: ['127.0.0.1'] });
  const named = await toLocal(bench, portOf(origin));
  named.write(hello);
  expect(await readAll(named)).toBe('');
  expect(bench.lines).toEqual([]);
  const nameless = await toLocal(bench, portOf(origin));
  nameless.end('x');
  expect(await readAll(nameless)).toBe('x');
});

test('what fails closes the flow, and is told once', async () => {
  const port = await closedPort();
  const bench = await startProxy({ https: `127.0.0.1:${port}` });
  for (let times = 0; times < 3; times++) {
    const guest = await toWeb(bench);
    guest.write(hello);
    expect(await readAll(guest)).toBe('');
  }
  expect(bench.lines).toHaveLength(1);
  expect(bench.lines[0]).toContain(`cannot connect to 127.0.0.1:${port}`);
  const refusing = await startFixed('HTTP/1.1 407 Who?\r\nContent-Length: 2\r\n\r\nno');
  const other = await startProxy({ https: `127.0.0.1:${refusing.port}` });
  const guest = await toWeb(other);
  guest.write(hello);
  expect(await readAll(guest)).toBe('');
  expect(other.lines).toEqual([
    `a guest's TLS connection was closed: 127.0.0.1:${refusing.port} answers 407 to CONNECT`,
  ]);
});

test('a guest that leaves at any moment leaves nothing behind', async () => {
  const upstream = await startUpstream();
  const bench = await startProxy({ https: `127.0.0.1:${upstream.port}` });
  for (const bytes of [Buffer.alloc(0), hello.subarray(0, 20), hello]) {
    const guest = await toWeb(bench);
    guest.write(bytes);
    guest.resetAndDestroy();
    while (bench.proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(bench.lines).toEqual([]);
});

test('TLS from end to end, through a real proxy', async () => {
  const folder = temporaryFolder();
  const file = (name: string) => path.join(folder, name);
  const openssl = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', [...openssl, ...names, '-keyout', file('key'), '-out', file('cert')], { stdio: 'ignore' });
  const [key, cert] = [readFileSync(file('key')), readFileSync(file('cert'))];

  const sockets: Socket[] = [];
  const origin = createTlsServer({ key, cert }, (socket) => void socket.pipe(socket));
  origin.on('connection', (socket) => sockets.push(socket));
  origin.listen(0, '127.0.0.1');
  const real = createServer().on('connect', (request, socket, head) => {
    const [host, port] = request.url!.split(':');
    const next = connectTcp({ host: host!, port: Number(port) });
    sockets.push(next, socket as Socket);
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    next.write(head);
    socket.pipe(next).pipe(socket);
  });
  real.listen(0, '127.0.0.1');
  await Promise.all([once(origin, 'listening'), once(real, 'listening')]);

  const bench = await startProxy({ https: `127.0.0.1:${portOf(real)}` });
  const guest = await toLocal(bench, portOf(origin));
  const secure = connect({ socket: guest, servername: 'localhost', ca: cert });
  await once(secure, 'secureConnect');
  secure.write('secret');
  expect(await readUntil(secure, /secret/)).toBe('secret');
  for (const socket of sockets) socket.destroy();
  for (const server of [origin, real]) {
    server.close();
    await once(server, 'close');
  }
});
