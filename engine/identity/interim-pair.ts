import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { DER_TAG, der, derBitString, derObjectIdentifier, derSequence, derTime } from './der';
import { encodePem } from './pem';

/** A certificate and its key, in PEM. */
export interface InterimPair {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;
const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  organisation: '2.5.4.10',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
} as const;
/** Choices of GeneralName (RFC 5280, 4.2.1.6). */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

/**
 * What a guest's Docker port shows before docker-machine has brought its certificates: an authority of its own, whose key
 * signs nothing else, so that no client can pass the check. The guest's own, made when it boots, is the same kind
 * (image/rootfs/usr/lib/boot2docker/tls-pair).
 */
export function makeInterimPair(hostname: string, now = new Date()): InterimPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicInfo = publicKey.export({ format: 'der', type: 'spki' });
  const algorithm = derSequence(derObjectIdentifier(OID.ecdsaWithSha256));
  const name = derSequence(attribute(OID.organisation, 'Boot2Docker'), attribute(OID.commonName, hostname));
  const body = derSequence(
    // Version 3.
    der(0xa0, der(DER_TAG.integer, Buffer.of(2))),
    der(DER_TAG.integer, serialNumber()),
    algorithm,
    name,
    // A guest's clock may be behind.
    derSequence(derTime(new Date(now.getTime() - DAY_MS)), derTime(new Date(now.getTime() + VALID_DAYS * DAY_MS))),
    name,
    publicInfo,
    der(0xa3, derSequence(...extensions(hostname, publicInfo))),
  );
  const signature = sign('sha256', body, privateKey);
  return {
    certificate: encodePem('CERTIFICATE', derSequence(body, algorithm, derBitString(signature))),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

function extensions(hostname: string, publicInfo: Buffer): readonly Buffer[] {
  const isAuthority = derSequence(der(DER_TAG.boolean, Buffer.of(0xff)));
  const names = [
    ...[hostname, 'localhost'].map((text) => der(DNS_NAME, Buffer.from(text, 'latin1'))),
    der(IP_ADDRESS, Buffer.of(127, 0, 0, 1)),
  ];
  const keyIdentifier = createHash('sha1').update(publicInfo).digest();
  return [
    extension(OID.basicConstraints, isAuthority, 'critical'),
    extension(OID.subjectKeyIdentifier, der(DER_TAG.octetString, keyIdentifier)),
    extension(OID.subjectAltName, derSequence(...names)),
  ];
}

function extension(oid: string, value: Buffer, weight?: 'critical'): Buffer {
  const critical = weight === undefined ? [] : [der(DER_TAG.boolean, Buffer.of(0xff))];
  return derSequence(derObjectIdentifier(oid), ...critical, der(DER_TAG.octetString, value));
}

function attribute(oid: string, text: string): Buffer {
  return der(DER_TAG.set, derSequence(derObjectIdentifier(oid), der(DER_TAG.utf8String, Buffer.from(text))));
}

/** Positive, in as many bytes whatever it is: neither the top bit nor a leading zero byte (RFC 5280, 4.1.2.2). */
function serialNumber(): Buffer {
  const bytes = randomBytes(20);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}
