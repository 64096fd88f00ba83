import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { chmod, readFile, rename, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { encodeRsaPublicKey } from '../../engine/identity/ssh-wire';
import { createFile, replaceFile } from '../../engine/storage/atomic-file';
import { describeWriteFailure } from '../../engine/storage/write-failure';
import { DriverError } from '../errors';

export interface SshKeyPair {
  /** PKCS#1 PEM, mode 0600; the public line is beside it as `<path>.pub`. */
  readonly privateKeyPath: string;
  /** `ssh-rsa AAAA… comment`, no line end. */
  readonly publicKeyLine: string;
}

/** What docker-machine itself makes; its Go SSH client and every old guest can use it. */
const MODULUS_BITS = 2048;

/** ssh refuses a private key that others can read. */
const KEY_MODE = 0o600;

/**
 * The machine's key for user docker: keeps a usable one, makes one where there is none, and puts a file that is no RSA
 * key (a crash while writing, say) aside as `<path>.unusable`. The public line is derived, so a lost or half-written
 * `.pub` mends itself. Throws HK_STORE_UNWRITABLE.
 */
export async function ensureSshKey(path: string, comment = 'docker-machine'): Promise<SshKeyPair> {
  try {
    const key = (await loadKey(path)) ?? (await makeKey(path));
    const publicKeyLine = await ensurePublicLine(`${path}.pub`, publicLineOf(key), comment);
    return { privateKeyPath: path, publicKeyLine };
  } catch (error) {
    if (error instanceof DriverError) throw error;
    throw new DriverError('HK_STORE_UNWRITABLE', `cannot write SSH key ${path}: ${describeWriteFailure(error)}`, {
      cause: error,
    });
  }
}

/** `ssh-rsa AAAA…`, without comment. */
export function publicLineOf(key: KeyObject): string {
  const { n = '', e = '' } = createPublicKey(key).export({ format: 'jwk' });
  const blob = encodeRsaPublicKey(Buffer.from(n, 'base64url'), Buffer.from(e, 'base64url'));
  return `ssh-rsa ${blob.toString('base64')}`;
}

async function loadKey(path: string): Promise<KeyObject | undefined> {
  const text = await readFile(path, 'latin1').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const key = parseKey(text);
  if (key === undefined) {
    await rename(path, `${path}.unusable`);
    return undefined;
  }
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, KEY_MODE);
  return key;
}

function parseKey(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'rsa' ? key : undefined;
  } catch {
    return undefined;
  }
}

async function makeKey(path: string): Promise<KeyObject> {
  // In libuv's pool: finding the primes takes up to a second.
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' });
  const isOurs = await createFile(path, KEY_MODE, async (file) => await file.writeFile(pem));
  // Made twice at the same time: the first one counts.
  return isOurs ? privateKey : ((await loadKey(path)) ?? (await makeKey(path)));
}

async function ensurePublicLine(path: string, line: string, comment: string): Promise<string> {
  const present = await readFile(path, 'utf8').catch(() => '');
  const [first = ''] = present.split('\n');
  if (first === line || first.startsWith(`${line} `)) return first.trimEnd();
  const wanted = comment === '' ? line : `${line} ${comment}`;
  await replaceFile(path, KEY_MODE, async (file) => await file.writeFile(`${wanted}\n`));
  return wanted;
}
