import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newIdentity } from '../../../../engine/identity/new-identity';

const network = { bindAddress: '127.0.0.1', forwards: [], macAddress: '02:00:00:00:00:01', hostname: 'dev' };
const authorizedKeys = 'ssh-rsa AAAA docker';

test('no two copies have anything in common but their names', () => {
  const [one, other] = [1, 2].map(() => newIdentity({ network }, network.macAddress, { authorizedKeys }));
  for (const key of ['machineId', 'bootId', 'engineId', 'generation', 'seed'] as const) {
    expect(one?.[key]).not.toEqual(other?.[key]);
  }
  expect(one?.docker.key).not.toBe(other?.docker.key);
  expect(one?.hostKeys.ecdsa.privateKey).not.toBe(other?.hostKeys.ecdsa.privateKey);
  expect(one?.hostKeys.ed25519.privateKey).not.toBe(other?.hostKeys.ed25519.privateKey);
});

describe('credentials in files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'hk-identity-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const docker = (): { ca: string; certificate: string; key: string; profile: string } => {
    const files = {
      ca: path.join(folder, 'ca'),
      certificate: path.join(folder, 'cert'),
      key: path.join(folder, 'key'),
    };
    for (const [name, file] of Object.entries(files)) writeFileSync(file, `PEM of ${name}\n`);
    return { ...files, profile: 'DOCKER_TLS=auto\n' };
  };

  test('are handed over instead of an interim pair', () => {
    expect(newIdentity({ network }, network.macAddress, { authorizedKeys, docker: docker() }).docker).toEqual({
      ca: 'PEM of ca\n',
      certificate: 'PEM of certificate\n',
      key: 'PEM of key\n',
      profile: 'DOCKER_TLS=auto\n',
    });
  });

  test.each(['missing', 'huge'])('a file that is %s is told', (kind) => {
    const files = docker();
    if (kind === 'missing') rmSync(files.key);
    else writeFileSync(files.key, 'x'.repeat(100_000));
    const make = (): unknown => newIdentity({ network }, network.macAddress, { authorizedKeys, docker: files });
    expect(make).toThrow(`cannot read the Docker credentials in ${files.key}: `);
  });
});
