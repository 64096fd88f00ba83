import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import asn1 from 'node-forge/lib/asn1';
import util from 'node-forge/lib/util';
import x509 from 'node-forge/lib/x509';
import { encodePem } from '../../engine/identity/pem';

/** docker-machine's: a guest's clock may be a little behind, and nobody renews certificates by himself. */
const BACKDATED_MS = 5 * 60 * 1000;
const VALIDITY_MS = 1080 * 24 * 60 * 60 * 1000;
const SERIAL_BYTES = 16;
/** Names have `<` in them, which Go refuses in a PrintableString. */
const UTF8_STRING = 12;
/** Where it stands in a TBSCertificate of version 3 (RFC 5280 section 4.1). */
const SUBJECT_PUBLIC_KEY_INFO = 6;

/** What a certificate is for; key usages are docker-machine's, but for those that a P-256 key must not have (RFC 8813). */
export type CertificatePurpose =
  | { readonly kind: 'authority' }
  | { readonly kind: 'client' }
  /** Entries that are IP addresses become IP names, all others DNS names. */
  | { readonly kind: 'server'; readonly names: readonly string[] };

/** Who signs. */
export interface Issuer {
  readonly certificatePem: string;
  readonly key: KeyObject;
}

/**
 * Issues an X.509 v3 certificate (RFC 5280) for an RSA or P-256 key, signed with SHA-256: by `issuer`, or by the key itself. Who
 * signs has an RSA key. node-forge encodes it; the signature is Node's own, so no private key is ever handled in JavaScript.
 */
export function issueCertificate(
  key: KeyObject,
  organization: string,
  purpose: CertificatePurpose,
  issuer?: Issuer,
): string {
  const certificate = x509.createCertificate();
  certificate.serialNumber = newSerial();
  const notBefore = Math.floor((Date.now() - BACKDATED_MS) / 60_000) * 60_000;
  certificate.validity.notBefore = new Date(notBefore);
  certificate.validity.notAfter = new Date(notBefore + VALIDITY_MS);
  const subject = [{ name: 'organizationName', value: organization, valueTagClass: UTF8_STRING }];
  certificate.setSubject(subject);
  const parent = issuer === undefined ? undefined : x509.certificateFromPem(issuer.certificatePem);
  const publicKey = createPublicKey(key);
  certificate.generateSubjectKeyIdentifier = () => keyIdentifier(publicKey);
  certificate.setIssuer(parent?.subject.attributes ?? subject);
  const identifier = parent === undefined ? undefined : keyIdentifierOf(parent);
  certificate.setExtensions([
    ...extensionsFor(purpose),
    { name: 'subjectKeyIdentifier' },
    ...(identifier === undefined ? [] : [{ name: 'authorityKeyIdentifier', keyIdentifier: identifier }]),
  ]);
  return signed(certificate, publicKey, issuer?.key ?? key);
}

/** SHA-1 of the key's bits, without their tag, length and count of unused bits (RFC 5280 section 4.2.1.2, method 1). */
function keyIdentifier(publicKey: KeyObject) {
  const spki = asn1.fromDer(publicKey.export({ type: 'spki', format: 'der' }).toString('latin1'));
  const [, bits] = spki.value as { readonly bitStringContents?: string }[];
  const digest = createHash('sha1')
    .update((bits?.bitStringContents ?? '').slice(1), 'latin1')
    .digest();
  return util.createBuffer(digest.toString('latin1'));
}

/** The issuer's key identifier as bytes; none when its certificate has none: one that differs would fail the check. */
function keyIdentifierOf(issuer: ReturnType<typeof x509.certificateFromPem>): string | undefined {
  const extension = issuer.getExtension('subjectKeyIdentifier') as { readonly subjectKeyIdentifier?: string } | null;
  const hex = extension?.subjectKeyIdentifier;
  return hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('latin1');
}

function extensionsFor(purpose: CertificatePurpose): object[] {
  const basic = { name: 'basicConstraints', cA: purpose.kind === 'authority', critical: true };
  const usage = { name: 'keyUsage', digitalSignature: true, critical: true };
  switch (purpose.kind) {
    case 'authority':
      return [basic, { ...usage, keyEncipherment: true, keyAgreement: true, keyCertSign: true }];
    case 'client':
      return [basic, usage, { name: 'extKeyUsage', clientAuth: true }];
    case 'server':
      return [
        basic,
        { ...usage, keyAgreement: true },
        { name: 'extKeyUsage', serverAuth: true },
        { name: 'subjectAltName', altNames: [...new Set(purpose.names)].map(generalName) },
      ];
  }
}

/** GeneralName of RFC 5280 section 4.2.1.6: 7 is iPAddress, 2 is dNSName. */
function generalName(name: string): object {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}

/** Positive and not zero, as RFC 5280 section 4.1.2.2 has it. */
function newSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function signed(certificate: ReturnType<typeof x509.createCertificate>, publicKey: KeyObject, key: KeyObject): string {
  const algorithm = x509.oids['sha256WithRSAEncryption'] ?? '';
  certificate.signatureOid = algorithm;
  certificate.siginfo.algorithmOid = algorithm;
  // forge knows RSA keys only, so the signer's stands in until the real one takes its place.
  certificate.publicKey = x509.publicKeyFromPem(
    createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
  );
  certificate.tbsCertificate = x509.getTBSCertificate(certificate);
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('latin1');
  (certificate.tbsCertificate.value as unknown[])[SUBJECT_PUBLIC_KEY_INFO] = asn1.fromDer(spki);
  const body = Buffer.from(asn1.toDer(certificate.tbsCertificate).getBytes(), 'latin1');
  certificate.signature = sign('sha256', body, key).toString('latin1');
  const der = Buffer.from(asn1.toDer(x509.certificateToAsn1(certificate)).getBytes(), 'latin1');
  return encodePem('CERTIFICATE', der);
}
