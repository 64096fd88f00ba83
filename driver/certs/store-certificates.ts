import { type KeyObject, X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import type { Logger } from '../contract/logger';
import { DriverError } from '../errors';
import type { AuthPaths } from '../host/host-options';
import { withFileLock } from '../iso/file-lock';
import { guardStore } from '../iso/store-error';
import { type Issuer, issueCertificate } from './issue-certificate';
import { CERTIFICATE_MODE, KEY_MODE, readPem, writePem } from './pem-file';
import { exportRsaKey, newRsaKey, parseRsaKey } from './rsa-key';

type StorePaths = Pick<AuthPaths, 'caCert' | 'caKey' | 'clientCert' | 'clientKey'>;

/** Our own authority and client pair, shared with docker-machine: whoever comes first makes them. */
export interface StoreCertificates {
  readonly authority: Issuer;
  readonly clientCertificatePem: string;
  readonly clientKeyPem: string;
}

export interface StoreCertificatesOptions {
  readonly logger: Pick<Logger, 'info'>;
  /** Makes the client pair anew. */
  readonly renewClient?: boolean;
}

/**
 * Reads the store's certificates and makes what is missing or has expired, as docker-machine does before it creates a
 * machine. A key whose certificate is missing (a crash between the two) gets a new one.
 * @throws DriverError HK_CERTIFICATE_INVALID when what is there cannot be used, HK_STORE_UNWRITABLE, HK_DISK_FULL.
 */
export async function ensureStoreCertificates(
  paths: StorePaths,
  options: StoreCertificatesOptions,
): Promise<StoreCertificates> {
  const folder = path.dirname(paths.caCert);
  await guardStore(folder, async () => await mkdir(folder, { recursive: true, mode: 0o700 }));
  // Several machines may be created at once; all of them need the same authority.
  return await withFileLock(path.join(folder, '.certs.lock'), async () => {
    const authority = await ensureAuthority(paths, options.logger);
    return { authority, ...(await ensureClient(paths, authority, options)) };
  });
}

/** Who the certificates are made out to, as docker-machine has it. */
export function certificateOwner(): string {
  const { USER: user } = process.env;
  try {
    return user !== undefined && user !== '' ? user : userInfo().username;
  } catch {
    return 'unknown'; // A user id without a name, as in containers.
  }
}

async function ensureAuthority(paths: StorePaths, logger: Pick<Logger, 'info'>): Promise<Issuer> {
  const present = readPem(paths.caCert);
  const certificate = present === undefined ? undefined : parseCertificate(present, paths.caCert);
  const keyPem = readPem(paths.caKey);
  if (present !== undefined && certificate !== undefined && !hasExpired(certificate)) {
    if (keyPem === undefined) {
      throw new DriverError(
        'HK_CERTIFICATE_INVALID',
        `cannot issue certificates: ${paths.caCert} is there, but its key ${paths.caKey} is not; put it back, or remove both (existing machines then need "hyperkit regenerate-certs")`,
      );
    }
    return { certificatePem: present, key: matchingKey(keyPem, paths.caKey, certificate, paths.caCert) };
  }
  const expired = certificate !== undefined;
  logger.info(
    expired ? `The CA certificate has expired; creating a new one: ${paths.caCert}` : `Creating CA: ${paths.caCert}`,
  );
  const key = keyPem === undefined || expired ? await newRsaKey() : parseRsaKey(keyPem, paths.caKey);
  const certificatePem = issueCertificate(key, certificateOwner(), { kind: 'authority' });
  await writePem(paths.caKey, KEY_MODE, exportRsaKey(key));
  await writePem(paths.caCert, CERTIFICATE_MODE, certificatePem);
  return { certificatePem, key };
}

async function ensureClient(
  paths: StorePaths,
  authority: Issuer,
  options: StoreCertificatesOptions,
): Promise<Omit<StoreCertificates, 'authority'>> {
  const present = readPem(paths.clientCert);
  const keyPem = readPem(paths.clientKey);
  if (present !== undefined && keyPem !== undefined && options.renewClient !== true) {
    const certificate = parseCertificate(present, paths.clientCert);
    matchingKey(keyPem, paths.clientKey, certificate, paths.clientCert);
    const issuer = new X509Certificate(authority.certificatePem);
    if (!hasExpired(certificate) && certificate.verify(issuer.publicKey)) {
      return { clientCertificatePem: present, clientKeyPem: keyPem };
    }
  }
  options.logger.info(`Creating client certificate: ${paths.clientCert}`);
  const key = await newRsaKey();
  const organization = `${certificateOwner()}.<bootstrap>`;
  const clientCertificatePem = issueCertificate(key, organization, { kind: 'client' }, authority);
  const clientKeyPem = exportRsaKey(key);
  await writePem(paths.clientKey, KEY_MODE, clientKeyPem);
  await writePem(paths.clientCert, CERTIFICATE_MODE, clientCertificatePem);
  return { clientCertificatePem, clientKeyPem };
}

function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new DriverError(
      'HK_CERTIFICATE_INVALID',
      `cannot use the certificate ${file}: it is damaged; put the right one back, or remove it to have it made anew`,
      { cause },
    );
  }
}

function matchingKey(pem: string, file: string, certificate: X509Certificate, certificateFile: string): KeyObject {
  const key = parseRsaKey(pem, file);
  if (certificate.checkPrivateKey(key)) return key;
  throw new DriverError(
    'HK_CERTIFICATE_INVALID',
    `cannot use the key ${file}: it is not that of ${certificateFile}; put the right one back`,
  );
}

function hasExpired(certificate: X509Certificate): boolean {
  return new Date(certificate.validTo).getTime() < Date.now();
}
