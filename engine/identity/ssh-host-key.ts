import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { encodeMpint, encodeString } from './ssh-wire';

/** An SSH host key as OpenSSH keeps it. */
export interface SshHostKey {
  /** PEM-like text, of the kind that ssh-keygen writes. */
  readonly privateKey: string;
  /** Line of the `.pub` file, with its end. */
  readonly publicKey: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
}

/** Kinds of host keys that a guest has; no RSA: making one takes long, and every client since 2014 knows ECDSA. */
export const HOST_KEY_TYPES = ['ecdsa', 'ed25519'] as const;
export type HostKeyType = (typeof HOST_KEY_TYPES)[number];

const COMMENT = 'boot2docker';
const LINE_LENGTH = 70;
/** The cipher's; without one it is 8 (OpenSSH PROTOCOL.key). */
const BLOCK_BYTES = 8;

export function makeHostKey(type: HostKeyType): SshHostKey {
  const { name, blob, secret } = type === 'ecdsa' ? ecdsaParts() : ed25519Parts();
  const privateKey = encodeOpensshKey(blob, Buffer.concat([encodeString(ascii(name)), secret]));
  return {
    privateKey,
    publicKey: `${name} ${blob.toString('base64')} ${COMMENT}\n`,
    fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
  };
}

interface KeyParts {
  readonly name: string;
  /** The public key as it goes over the wire. */
  readonly blob: Buffer;
  /** What follows the name in the private part. */
  readonly secret: Buffer;
}

/** RFC 5656, 3.1: the curve's name, the point uncompressed; then the private number. */
function ecdsaParts(): KeyParts {
  const { x, y, d } = numbersOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const name = 'ecdsa-sha2-nistp256';
  const shared = Buffer.concat([encodeString(ascii('nistp256')), encodeString(Buffer.concat([Buffer.of(4), x, y]))]);
  const blob = Buffer.concat([encodeString(ascii(name)), shared]);
  return { name, blob, secret: Buffer.concat([shared, encodeMpint(d)]) };
}

/** RFC 8709, 4; the private part has the public key twice, the second time behind the seed. */
function ed25519Parts(): KeyParts {
  const { x, d } = numbersOf(generateKeyPairSync('ed25519').privateKey);
  const name = 'ssh-ed25519';
  const blob = Buffer.concat([encodeString(ascii(name)), encodeString(x)]);
  return { name, blob, secret: Buffer.concat([encodeString(x), encodeString(Buffer.concat([d, x]))]) };
}

/**
 * OpenSSH's container, PROTOCOL.key in its sources, without encryption:
 *
 *   "openssh-key-v1" NUL
 *   string  cipher "none"
 *   string  key derivation "none"
 *   string  its options ""
 *   u32     number of keys, 1
 *   string  public key
 *   string  u32 check, u32 check again, private key, string comment, padding 1, 2, 3, … to a whole block
 */
function encodeOpensshKey(blob: Buffer, key: Buffer): string {
  const check = randomBytes(4);
  const part = Buffer.concat([check, check, key, encodeString(ascii(COMMENT))]);
  const padding = Buffer.from(Array.from({ length: -part.length & (BLOCK_BYTES - 1) }, (_, at) => at + 1));
  const none = encodeString(ascii('none'));
  const bytes = Buffer.concat([
    ...[ascii('openssh-key-v1\0'), none, none, encodeString(Buffer.alloc(0)), Buffer.of(0, 0, 0, 1)],
    ...[encodeString(blob), encodeString(Buffer.concat([part, padding]))],
  ]);
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

/** In full length, leading zeros too (RFC 7518, 6.2). */
function numbersOf(key: KeyObject): { readonly x: Buffer; readonly y: Buffer; readonly d: Buffer } {
  const { x = '', y = '', d = '' } = key.export({ format: 'jwk' });
  return { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url'), d: Buffer.from(d, 'base64url') };
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
