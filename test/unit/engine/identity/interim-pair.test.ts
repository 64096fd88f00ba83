import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeInterimPair } from '../../../../engine/identity/interim-pair';
import { which } from '../../../support/machines';

test('a certificate for its host, signed by itself, with its key', () => {
  const { certificate, key } = makeInterimPair('dev.example');
  const read = new X509Certificate(certificate);
  expect(read.subject).toBe('O=Boot2Docker\nCN=dev.example');
  expect(read.issuer).toBe(read.subject);
  expect(read.subjectAltName).toBe('DNS:dev.example, DNS:localhost, IP Address:127.0.0.1');
  expect(read.ca).toBe(true);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(read.checkHost('dev.example')).toBe('dev.example');
  expect(read.checkIP('127.0.0.1')).toBe('127.0.0.1');
});

test('valid from yesterday for ten years, also past 2049', () => {
  for (const [now, from, to] of [
    ['2026-03-01T12:00:00Z', 'Feb 28 12:00:00 2026 GMT', 'Feb 27 12:00:00 2036 GMT'],
    ['2045-03-01T12:00:00Z', 'Feb 28 12:00:00 2045 GMT', 'Feb 27 12:00:00 2055 GMT'],
  ] as const) {
    const { validFrom, validTo } = new X509Certificate(makeInterimPair('dev', new Date(now)).certificate);
    expect([validFrom, validTo]).toEqual([from, to]);
  }
});

test('no two have a key or a number in common', () => {
  const pairs = Array.from({ length: 100 }, () => makeInterimPair('dev'));
  const numbers = pairs.map(({ certificate }) => new X509Certificate(certificate).serialNumber);
  expect(new Set([...numbers, ...pairs.map(({ key }) => key)]).size).toBe(200);
});

const withOpenssl = which('openssl') === undefined ? test.skip : test;

withOpenssl('openssl reads and verifies it, strictly', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hk-pair-'));
  try {
    const file = path.join(folder, 'pair.pem');
    for (let length = 1; length <= 63; length++) {
      writeFileSync(file, makeInterimPair('x'.repeat(length)).certificate);
      const said = execFileSync('openssl', ['verify', '-check_ss_sig', '-CAfile', file, file], { encoding: 'utf8' });
      expect(said.trim()).toBe(`${file}: OK`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
