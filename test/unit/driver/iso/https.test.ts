import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, globalAgent, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { downloadFile } from '../../../../driver/iso/download';
import { temporaryFolder } from '../../../support/temporary-folder';
import { httpFixture, serve } from './http-fixture';

const folder = temporaryFolder();
const plain = httpFixture();
const key = join(folder, 'key.pem');
const certificate = join(folder, 'certificate.pem');
const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
const openssl = spawnSync('openssl', [
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-keyout',
  key,
  '-out',
  certificate,
  ...subject,
]);
if (openssl.status !== 0) console.log('Skipped: downloads over TLS, because there is no openssl to make a certificate');

const timing = { connectTimeoutMs: 2000, retryDelaysMs: [5, 5, 5] };
const content = Buffer.from('an ISO');
const target = join(folder, 'x.iso');

(openssl.status === 0 ? describe : describe.skip)('over TLS', () => {
  let server: Server;
  let origin = '';
  let requests = 0;

  beforeAll(async () => {
    server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
      requests++;
      if (request.url === '/x.iso') serve(content)(request, response, 0);
      else if (request.url === '/down') response.writeHead(302, { Location: `${plain.origin}/x.iso` }).end();
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    requests = 0;
  });
  afterAll(() => {
    delete globalAgent.options.ca;
    server.closeAllConnections();
    server.close();
  });

  it('refuses an unknown certificate, at once', async () => {
    await expect(downloadFile(`${origin}/x.iso`, target, { timing })).rejects.toMatchObject({
      code: 'HK_ISO_DOWNLOAD_FAILED',
      message: expect.stringMatching(
        /: its certificate is not accepted \(.*\); check the date .* NODE_EXTRA_CA_CERTS$/,
      ),
    });
    expect(requests).toBe(0);
  });

  it('downloads, but does not follow a redirect to plain http', async () => {
    globalAgent.options.ca = readFileSync(certificate);
    plain.handle = serve(content);
    await downloadFile(`${origin}/x.iso`, target, { timing });
    expect(readFileSync(target)).toEqual(content);
    await expect(downloadFile(`${origin}/down`, `${target}2`, { timing })).rejects.toMatchObject({
      message: `cannot download ${origin}/down: it redirects from https to an unprotected address; check --hyperkit-boot2docker-url`,
    });
    expect(plain.requests).toHaveLength(0);
    expect(readdirSync(folder)).not.toContain('x.iso2');
  });
});
