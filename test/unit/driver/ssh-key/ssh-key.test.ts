import { spawnSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureSshKey } from '../../../../driver/ssh-key/ssh-key';
import { temporaryFolder } from '../../../support/temporary-folder';

const folder = temporaryFolder();
const hasSshKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined;
if (!hasSshKeygen) console.log('Skipped: comparison with ssh-keygen, because it is not installed');

const fresh = (name: string): string => {
  mkdirSync(join(folder, name));
  return join(folder, name, 'id_rsa');
};
const mode = (path: string) => statSync(path).mode & 0o777;

it('makes an RSA-2048 key in PKCS#1 that only the owner can read', async () => {
  const path = fresh('new');
  const { privateKeyPath, publicKeyLine } = await ensureSshKey(path);
  expect(privateKeyPath).toBe(path);
  const pem = readFileSync(path, 'latin1');
  expect(pem).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
  expect(createPrivateKey(pem).asymmetricKeyDetails).toEqual({ modulusLength: 2048, publicExponent: 65537n });
  expect(publicKeyLine).toMatch(/^ssh-rsa AAAAB3NzaC1yc2E[A-Za-z0-9+/=]+ docker-machine$/);
  // With its line end it must fit into one block of the data disk's hand-shake.
  expect(publicKeyLine.length).toBeLessThan(512);
  expect(readFileSync(`${path}.pub`, 'latin1')).toBe(`${publicKeyLine}\n`);
  expect([mode(path), mode(`${path}.pub`)]).toEqual([0o600, 0o600]);
  expect(readdirSync(join(folder, 'new')).sort()).toEqual(['id_rsa', 'id_rsa.pub']);
});

(hasSshKeygen ? it : it.skip)('writes the public key as ssh-keygen does', async () => {
  for (let round = 0; round < 3; round++) {
    const path = fresh(`keygen-${round}`);
    const { publicKeyLine } = await ensureSshKey(path, '');
    const { stdout, stderr } = spawnSync('ssh-keygen', ['-y', '-f', path], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe(publicKeyLine);
  }
});

(hasSshKeygen ? it : it.skip)('keeps a key that another program made', async () => {
  const path = fresh('other');
  spawnSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', '', '-C', 'somebody', '-f', path]);
  const before = readFileSync(path);
  const { publicKeyLine } = await ensureSshKey(path);
  expect(readFileSync(path)).toEqual(before);
  expect(publicKeyLine).toBe(readFileSync(`${path}.pub`, 'utf8').trim());
  expect(publicKeyLine).toMatch(/ somebody$/);
});

it('keeps its own key, and mends what is missing around it', async () => {
  const path = fresh('kept');
  const first = await ensureSshKey(path, 'me');
  const pem = readFileSync(path);
  writeFileSync(`${path}.pub`, first.publicKeyLine.slice(0, 100));
  chmodSync(path, 0o644);
  const second = await ensureSshKey(path, 'me');
  expect(second).toEqual(first);
  expect(readFileSync(path)).toEqual(pem);
  expect(mode(path)).toBe(0o600);
  expect(readFileSync(`${path}.pub`, 'utf8')).toBe(`${first.publicKeyLine}\n`);
});

it.each(['', 'half'])('puts a broken key aside and makes a new one (%j)', async (kind) => {
  const path = fresh(`broken-${kind}`);
  const { publicKeyLine } = await ensureSshKey(path);
  const broken = kind === '' ? '' : readFileSync(path, 'latin1').slice(0, 800);
  writeFileSync(path, broken);
  const renewed = await ensureSshKey(path);
  expect(renewed.publicKeyLine).not.toBe(publicKeyLine);
  expect(readFileSync(`${path}.unusable`, 'latin1')).toBe(broken);
  expect(readFileSync(`${path}.pub`, 'utf8')).toBe(`${renewed.publicKeyLine}\n`);
});

it('agrees on one key when asked twice at once', async () => {
  const path = fresh('raced');
  const keys = await Promise.all([ensureSshKey(path), ensureSshKey(path), ensureSshKey(path)]);
  expect(new Set(keys.map(({ publicKeyLine }) => publicKeyLine)).size).toBe(1);
});

it('says where it cannot write', async () => {
  const path = join(folder, 'none', 'id_rsa');
  await expect(ensureSshKey(path)).rejects.toMatchObject({
    code: 'HK_STORE_UNWRITABLE',
    message: `cannot write SSH key ${path}: the folder does not exist`,
  });
  expect(existsSync(path)).toBe(false);
});
