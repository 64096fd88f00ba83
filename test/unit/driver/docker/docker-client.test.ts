import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { issueCertificate } from '../../../../driver/certs/issue-certificate';
import { exportRsaKey, newRsaKey } from '../../../../driver/certs/rsa-key';
import {
  type DockerTarget,
  pingDocker,
  readDockerVersion,
  waitForDocker,
} from '../../../../driver/docker/docker-client';

jest.setTimeout(120_000);
let target: DockerTarget;
let server: Server;
let tls: { readonly cert: string; readonly key: string };
const listening: { close(): unknown }[] = [];
const never = new AbortController().signal;

beforeAll(async () => {
  const [caKey, serverKey, clientKey] = await Promise.all([newRsaKey(), newRsaKey(), newRsaKey()]);
  const caPem = issueCertificate(caKey, 'ca', { kind: 'authority' });
  const issuer = { certificatePem: caPem, key: caKey };
  const cert = issueCertificate(serverKey, 'dev', { kind: 'server', names: ['127.0.0.1'] }, issuer);
  tls = { cert, key: exportRsaKey(serverKey) };
  server = createServer({ ...tls, ca: caPem, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    if (request.url === '/_ping') response.end('OK');
    else if (request.url === '/version') response.end(JSON.stringify({ Version: '26.1.5' }));
    else response.writeHead(404).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  target = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    caPem,
    certificatePem: issueCertificate(clientKey, 'client', { kind: 'client' }, issuer),
    keyPem: exportRsaKey(clientKey),
  };
});
afterAll(() => {
  for (const one of [server, ...listening]) one.close();
});

test('ping and version over TLS with both certificates', async () => {
  await pingDocker(target);
  expect(await readDockerVersion(target, 10_000)).toBe('26.1.5');
});

test('a certificate that does not fit ends the wait at once and says what to do', async () => {
  const stranger = await newRsaKey();
  const other = issueCertificate(stranger, 'ca', { kind: 'authority' });
  for (const spoilt of [{ caPem: other }, { host: 'localhost' }]) {
    const waiting = waitForDocker({ ...target, ...spoilt }, 60_000, never);
    await expect(waiting).rejects.toMatchObject({ code: 'HK_DOCKER_UNREACHABLE' });
    await expect(waiting).rejects.toThrow(/"hyperkit regenerate-certs" makes a new one/);
  }
});

test('what is not there yet is waited for, but not longer than the deadline', async () => {
  const late = createTcpServer((socket) => socket.destroy());
  listening.push(late);
  await once(late.listen(0, '127.0.0.1'), 'listening');
  const waiting = waitForDocker({ ...target, port: (late.address() as AddressInfo).port }, 500, never);
  await expect(waiting).rejects.toThrow(/cannot reach Docker at 127\.0\.0\.1:\d+: .*hyperkit restart/);
});

test('an abort ends the wait with its reason', async () => {
  const silent = createTcpServer(() => undefined);
  listening.push(silent);
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const abort = new AbortController();
  const waiting = waitForDocker({ ...target, port: (silent.address() as AddressInfo).port }, 60_000, abort.signal);
  setTimeout(() => abort.abort(new Error('enough')), 200);
  await expect(waiting).rejects.toThrow('enough');
});

test.each([
  ['nothing', () => undefined],
  ['half an answer', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{')],
])(
  'a Docker that says %s ends a question at its deadline, whatever the garbage collector does',
  async (_title, say) => {
    const { caPem: ca } = target;
    const silent = createTlsServer({ ...tls, ca }, say);
    listening.push(silent);
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    setFlagsFromString('--expose-gc');
    const collecting = setInterval(runInNewContext('gc') as () => void, 50).unref();
    const asked = readDockerVersion({ ...target, port: (silent.address() as AddressInfo).port }, 1000);
    await expect(asked)
      .rejects.toThrow('no answer within 1 s')
      .finally(() => clearInterval(collecting));
  },
);
