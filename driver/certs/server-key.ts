import { generateKeyPairSync, type KeyObject } from 'node:crypto';

/**
 * Makes a key for a machine's server certificate: P-256, in a tenth of a millisecond, where RSA's primes keep a processor busy for a
 * tenth of a second or more, and Node's few threads with it when many machines are made at once. In an emulated guest its
 * signatures are cheaper, too.
 */
export function newServerKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** SEC 1 (RFC 5915), which Go, OpenSSL and haproxy read. */
export function exportServerKey(key: KeyObject): string {
  return key.export({ type: 'sec1', format: 'pem' }).toString();
}
