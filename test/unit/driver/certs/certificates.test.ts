import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { connect, createServer } from 'node:tls';
import { issueCertificate } from '../../../../driver/certs/issue-certificate';
import { issueMachineCertificates } from '../../../../driver/certs/machine-certificates';
import { newRsaKey } from '../../../../driver/certs/rsa-key';
import { ensureStoreCertificates } from '../../../../driver/certs/store-certificates';
import { newHostOptions, readAuthPaths } from '../../../../driver/host/host-options';
import { temporaryFolder } from '../../../support/temporary-folder';

const NO_WISHES = { flags: [], env: [], insecureRegistries: [], labels: [], registryMirrors: [], storageDriver: '' };
const folderIn = (store: string): string => path.join(store, 'machines', 'dev');
const pathsIn = (store: string, sans: readonly string[] = []) => {
  mkdirSync(folderIn(store), { recursive: true });
  return readAuthPaths({ HostOptions: newHostOptions(store, 'dev', NO_WISHES, sans, '') }, store, folderIn(store));
};
/** The bits of a P-256 key: an uncompressed point. */
const pointOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' }).subarray(-65);
// Keys of 2048 bits take a second each where the processor is busy.
jest.setTimeout(120_000);
const heard: string[] = [];
const logger = { info: (text: string) => heard.push(text) };
beforeEach(() => heard.splice(0));

test('makes what docker-machine makes: an RSA authority and client pair, private keys for the user only', async () => {
  const paths = pathsIn(temporaryFolder());
  await ensureStoreCertificates(paths, { logger });
  expect(heard).toEqual([`Creating CA: ${paths.caCert}`, `Creating client certificate: ${paths.clientCert}`]);
  for (const file of [paths.caKey, paths.clientKey]) {
    expect(readFileSync(file, 'utf8')).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(createPrivateKey(readFileSync(file)).asymmetricKeyDetails?.modulusLength).toBe(2048);
  }
  const authority = new X509Certificate(readFileSync(paths.caCert));
  const client = new X509Certificate(readFileSync(paths.clientCert));
  expect(authority.ca).toBe(true);
  expect(authority.verify(authority.publicKey)).toBe(true);
  expect(client.ca).toBe(false);
  expect(client.checkIssued(authority)).toBe(true);
  expect(client.verify(authority.publicKey)).toBe(true);
  expect(client.subject).toMatch(/^O=.*\.\\<bootstrap\\>$/);
  expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  const days = (Date.parse(client.validTo) - Date.parse(client.validFrom)) / 86_400_000;
  expect(days).toBe(1080);
  expect(Date.parse(client.validFrom)).toBeLessThanOrEqual(Date.now() - 5 * 60_000);
});

test('keeps what is there; many at once make one authority', async () => {
  const paths = pathsIn(temporaryFolder());
  const made = await Promise.all([1, 2, 3].map(() => ensureStoreCertificates(paths, { logger })));
  expect(new Set(made.map(({ authority }) => authority.certificatePem)).size).toBe(1);
  expect(new Set(made.map(({ clientKeyPem }) => clientKeyPem)).size).toBe(1);
  heard.splice(0);
  await ensureStoreCertificates(paths, { logger });
  expect(heard).toEqual([]);
  const before = readFileSync(paths.clientCert, 'utf8');
  await ensureStoreCertificates(paths, { logger, renewClient: true });
  expect(readFileSync(paths.clientCert, 'utf8')).not.toBe(before);
  expect(readFileSync(paths.caCert, 'utf8')).toBe(made[0]?.authority.certificatePem);
});

test('OpenSSL accepts the chain, the purposes and the names', async () => {
  const store = temporaryFolder();
  const paths = pathsIn(store, ['docker.example', '192.0.2.7']);
  const certificates = await ensureStoreCertificates(paths, { logger });
  await issueMachineCertificates(certificates, { machineName: 'dev', address: '127.65.1.2' }, folderIn(store), paths);
  const openssl = (...args: readonly string[]): string =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
  const verify = (purpose: string, file: string): string =>
    openssl('verify', '-x509_strict', '-CAfile', paths.caCert, '-purpose', purpose, file);
  expect(verify('sslserver', paths.serverCert)).toContain('OK');
  expect(verify('sslclient', paths.clientCert)).toContain('OK');
  expect(() => verify('sslserver', paths.clientCert)).toThrow();
  expect(readFileSync(paths.serverKey, 'utf8')).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/);
  expect(statSync(paths.serverKey).mode & 0o777).toBe(0o600);
  const key = createHash('sha1')
    .update(pointOf(new X509Certificate(readFileSync(paths.serverCert)).publicKey))
    .digest();
  expect(openssl('x509', '-in', paths.serverCert, '-noout', '-ext', 'subjectKeyIdentifier,keyUsage')).toMatch(
    new RegExp(`Digital Signature, Key Agreement[^]*${key.toString('hex').toUpperCase().match(/../g)?.join(':')}`),
  );
  // `<` is none of a PrintableString's characters, and Go minds.
  expect(openssl('asn1parse', '-in', paths.clientCert)).toMatch(/UTF8STRING +:.*\.<bootstrap>/);
  const names = openssl('x509', '-in', paths.serverCert, '-noout', '-ext', 'subjectAltName');
  for (const name of ['DNS:docker.example', 'IP Address:192.0.2.7', 'IP Address:127.65.1.2', 'DNS:localhost']) {
    expect(names).toContain(name);
  }
  expect(new X509Certificate(readFileSync(paths.serverCert)).checkIP('127.65.1.2')).toBe('127.65.1.2');
  for (const copy of ['ca.pem', 'cert.pem', 'key.pem']) {
    expect(readFileSync(path.join(folderIn(store), copy))).toEqual(readFileSync(path.join(store, 'certs', copy)));
  }
});

test('a TLS server and client with these certificates know each other, strangers do not', async () => {
  const store = temporaryFolder();
  const paths = pathsIn(store);
  const certificates = await ensureStoreCertificates(paths, { logger });
  const identity = { machineName: 'dev', address: '127.0.0.1' };
  const server = await issueMachineCertificates(certificates, identity, folderIn(store), paths);
  const listener = createServer(
    { ca: server.caPem, cert: server.certificatePem, key: server.keyPem, requestCert: true, rejectUnauthorized: true },
    (socket) => socket.end('hello'),
  );
  listener.on('tlsClientError', () => undefined);
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const { port } = listener.address() as AddressInfo;
  const talk = (credentials: object): Promise<string> =>
    new Promise((resolve) => {
      let said = '';
      connect({ host: '127.0.0.1', port, ca: server.caPem, ...credentials })
        .on('data', (chunk: Buffer) => {
          said += chunk.toString();
        })
        .once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)))
        .once('end', () => resolve(said));
    });
  const { clientCertificatePem: cert, clientKeyPem: key } = certificates;
  expect(await talk({ cert, key })).toBe('hello');
  expect(await talk({})).not.toBe('hello');
  const stranger = await newRsaKey();
  const own = issueCertificate(stranger, 'stranger', { kind: 'client' });
  expect(await talk({ cert: own, key: stranger.export({ type: 'pkcs1', format: 'pem' }) })).not.toBe('hello');
  listener.close();
});

test('an authority whose certificate has gone missing is made again from its key: machines keep working', async () => {
  const paths = pathsIn(temporaryFolder());
  await ensureStoreCertificates(paths, { logger });
  const client = new X509Certificate(readFileSync(paths.clientCert));
  rmSync(paths.caCert);
  await ensureStoreCertificates(paths, { logger });
  expect(client.verify(new X509Certificate(readFileSync(paths.caCert)).publicKey)).toBe(true);
  expect(new X509Certificate(readFileSync(paths.clientCert)).fingerprint).toBe(client.fingerprint);
});

test.each([
  ['its key is missing', (paths: ReturnType<typeof pathsIn>) => rmSync(paths.caKey), /its key .* is not/],
  [
    'its key is another',
    (paths: ReturnType<typeof pathsIn>) => copyFileSync(paths.clientKey, paths.caKey),
    /not that of/,
  ],
  ['its key is no key', (paths: ReturnType<typeof pathsIn>) => writeFileSync(paths.caKey, 'x'), /damaged or encrypted/],
  ['it is no certificate', (paths: ReturnType<typeof pathsIn>) => writeFileSync(paths.caCert, 'x'), /is damaged/],
  [
    'it is a folder',
    (paths: ReturnType<typeof pathsIn>) => {
      rmSync(paths.caCert);
      execFileSync('mkdir', [paths.caCert]);
    },
    /no regular file/,
  ],
])('an authority that cannot be used is never replaced silently: %s', async (_title, spoil, text) => {
  const paths = pathsIn(temporaryFolder());
  await ensureStoreCertificates(paths, { logger });
  chmodSync(paths.caKey, 0o600);
  spoil(paths);
  const failing = ensureStoreCertificates(paths, { logger });
  await expect(failing).rejects.toMatchObject({ code: 'HK_CERTIFICATE_INVALID' });
  await expect(failing).rejects.toThrow(text);
});
