import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
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
const listening: { close(): unknown }[] = [];
const never = new AbortController().signal;

beforeAll(async () => {
  const [caKey, serverKey, clientKey] = await Promise.all([newRsaKey(), newRsaKey(), newRsaKey()]);
  const caPem = issueCertificate(caKey, 'ca', { kind: 'authority' });
  const issuer = { certificatePem: caPem, key: caKey };
  const cert = issueCertificate(serverKey, 'dev', { kind: 'server', names: ['127.0.0.1'] }, issuer);
  server = createServer(
    { cert, key: exportRsaKey(serverKey), ca: caPem, requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      if (request.url === '/_ping') response.end('OK');
      else if (request.url === '/version') response.end(JSON.stringify({ Version: '26.1.5' }));
      else response.writeHead(404).end();
    },
  );
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
