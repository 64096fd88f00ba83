import path from 'node:path';
import type { AuthPaths } from '../host/host-options';
import { issueCertificate } from './issue-certificate';
import { CERTIFICATE_MODE, KEY_MODE, writePem } from './pem-file';
import { exportServerKey, newServerKey } from './server-key';
import { certificateOwner, type StoreCertificates } from './store-certificates';

/** What the guest's Docker is given. */
export interface ServerCredentials {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Who the server certificate is made out to. */
export interface ServerIdentity {
  readonly machineName: string;
  readonly address: string;
}

/**
 * Issues a machine's server certificate and lays everything its clients need into its folder, as docker-machine does:
 * server.pem and server-key.pem, and copies of the client's ca.pem, cert.pem, key.pem, which DOCKER_CERT_PATH names.
 */
export async function issueMachineCertificates(
  store: StoreCertificates,
  identity: ServerIdentity,
  folder: string,
  paths: Pick<AuthPaths, 'serverCert' | 'serverKey' | 'sans'>,
): Promise<ServerCredentials> {
  const { machineName, address } = identity;
  const serverKey = newServerKey();
  const certificatePem = issueCertificate(
    serverKey,
    `${certificateOwner()}.${machineName}`,
    { kind: 'server', names: [...paths.sans, address, 'localhost'] },
    store.authority,
  );
  const keyPem = exportServerKey(serverKey);
  const caPem = store.authority.certificatePem;
  await Promise.all([
    writePem(paths.serverKey, KEY_MODE, keyPem),
    writePem(paths.serverCert, CERTIFICATE_MODE, certificatePem),
    writePem(path.join(folder, 'ca.pem'), CERTIFICATE_MODE, caPem),
    writePem(path.join(folder, 'cert.pem'), CERTIFICATE_MODE, store.clientCertificatePem),
    writePem(path.join(folder, 'key.pem'), KEY_MODE, store.clientKeyPem),
  ]);
  return { caPem, certificatePem, keyPem };
}
