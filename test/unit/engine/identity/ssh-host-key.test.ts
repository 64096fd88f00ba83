import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HOST_KEY_TYPES, makeHostKey } from '../../../../engine/identity/ssh-host-key';
import { which } from '../../../support/machines';

// One in 256 keys has a number that begins with a zero byte, one in two an ECDSA number that needs one.
const KEYS = 150;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'hk-host-keys-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const withKeygen = which('ssh-keygen') === undefined ? test.skip : test;

withKeygen.each(HOST_KEY_TYPES)('ssh-keygen reads every %s key', (type) => {
  for (let index = 0; index < KEYS; index++) {
    const { privateKey, publicKey, fingerprint } = makeHostKey(type);
    const file = path.join(folder, `${type}-${index}`);
    writeFileSync(file, privateKey, { mode: 0o600 });
    // From the private part, not from the container's copy of the public key.
    expect(execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' })).toBe(publicKey);
    if (index % 50 !== 0) continue;
    writeFileSync(`${file}.pub`, publicKey);
    expect(execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' })).toContain(` ${fingerprint} `);
  }
});

test('no two are the same', () => {
  const keys = Array.from({ length: 50 }, () => HOST_KEY_TYPES.map((type) => makeHostKey(type).fingerprint)).flat();
  expect(new Set(keys).size).toBe(100);
});
