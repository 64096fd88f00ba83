import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { DriverError } from '../errors';

/** docker-machine's size, for authority, client and server alike. */
const MODULUS_BITS = 2048;

/** Makes a key in libuv's pool: finding the primes takes up to a second. */
export async function newRsaKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS })).privateKey;
}

/** PKCS#1, which is what docker-machine writes. */
export function exportRsaKey(key: KeyObject): string {
  return key.export({ type: 'pkcs1', format: 'pem' }).toString();
}

/**
 * Reads an unencrypted RSA key in PKCS#1 or PKCS#8.
 * @throws DriverError HK_CERTIFICATE_INVALID when it is anything else.
 */
export function parseRsaKey(pem: string, file: string): KeyObject {
  const refuse = (reason: string, cause?: unknown): DriverError =>
    new DriverError('HK_CERTIFICATE_INVALID', `cannot use the key ${file}: ${reason}; put the right one back`, {
      cause,
    });
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw refuse('it is damaged or encrypted', cause);
  }
  if (key.asymmetricKeyType !== 'rsa') throw refuse(`it is of type ${String(key.asymmetricKeyType)}, not RSA`);
  return key;
}
