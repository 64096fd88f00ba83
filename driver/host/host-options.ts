import path from 'node:path';
import type { MachineDocument } from '../store/config-file';

/** What the user wants of the Docker engine, as docker-machine's `--engine-…` options have it. */
export interface EngineWishes {
  /** `flag=value` words for dockerd, without their dashes. */
  readonly flags: readonly string[];
  /** `NAME=value` */
  readonly env: readonly string[];
  readonly insecureRegistries: readonly string[];
  /** `name=value` */
  readonly labels: readonly string[];
  readonly registryMirrors: readonly string[];
  /** '' leaves the choice to us. */
  readonly storageDriver: string;
}

/** Where the certificates of one machine lie on this host. */
export interface AuthPaths {
  readonly caCert: string;
  readonly caKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
  readonly serverCert: string;
  readonly serverKey: string;
  /** Names and addresses that the server certificate is good for, besides its own address. */
  readonly sans: readonly string[];
}

/** The part of config.json that clients own, as docker-machine writes it: same keys, same order, same zero values. */
export function newHostOptions(
  storePath: string,
  name: string,
  wishes: EngineWishes,
  sans: readonly string[],
  installUrl: string,
): object {
  const certs = path.join(storePath, 'certs');
  const folder = path.join(storePath, 'machines', name);
  return {
    Driver: '',
    Memory: 0,
    Disk: 0,
    EngineOptions: {
      ArbitraryFlags: wishes.flags,
      Dns: null,
      GraphDir: '',
      Env: wishes.env,
      Ipv6: false,
      InsecureRegistry: wishes.insecureRegistries,
      Labels: wishes.labels,
      LogLevel: '',
      StorageDriver: wishes.storageDriver,
      SelinuxEnabled: false,
      TlsVerify: true,
      RegistryMirror: wishes.registryMirrors,
      InstallURL: installUrl,
    },
    SwarmOptions: {
      IsSwarm: false,
      Address: '',
      Discovery: '',
      Agent: false,
      Master: false,
      Host: 'tcp://0.0.0.0:3376',
      Image: 'swarm:latest',
      Strategy: 'spread',
      Heartbeat: 0,
      Overcommit: 0,
      ArbitraryFlags: [],
      ArbitraryJoinFlags: [],
      Env: null,
      IsExperimental: false,
    },
    AuthOptions: {
      CertDir: certs,
      CaCertPath: path.join(certs, 'ca.pem'),
      CaPrivateKeyPath: path.join(certs, 'ca-key.pem'),
      CaCertRemotePath: '',
      ServerCertPath: path.join(folder, 'server.pem'),
      ServerKeyPath: path.join(folder, 'server-key.pem'),
      ClientKeyPath: path.join(certs, 'key.pem'),
      ServerCertRemotePath: '',
      ServerKeyRemotePath: '',
      ClientCertPath: path.join(certs, 'cert.pem'),
      ServerCertSANs: sans,
      StorePath: folder,
    },
  };
}

/** Reads the engine's part of a config.json, whoever wrote it; what is missing or of a wrong type counts as not set. */
export function readEngineWishes(document: MachineDocument): EngineWishes {
  const engine = record(record(document['HostOptions'])['EngineOptions']);
  return {
    flags: texts(engine['ArbitraryFlags']),
    env: texts(engine['Env']),
    insecureRegistries: texts(engine['InsecureRegistry']),
    labels: texts(engine['Labels']),
    registryMirrors: texts(engine['RegistryMirror']),
    storageDriver: text(engine['StorageDriver'], ''),
  };
}

/** Reads where a machine's certificates are; docker-machine's usual places where config.json does not say. */
export function readAuthPaths(document: MachineDocument, storePath: string, folder: string): AuthPaths {
  const auth = record(record(document['HostOptions'])['AuthOptions']);
  const certs = path.join(storePath, 'certs');
  return {
    caCert: text(auth['CaCertPath'], path.join(certs, 'ca.pem')),
    caKey: text(auth['CaPrivateKeyPath'], path.join(certs, 'ca-key.pem')),
    clientCert: text(auth['ClientCertPath'], path.join(certs, 'cert.pem')),
    clientKey: text(auth['ClientKeyPath'], path.join(certs, 'key.pem')),
    serverCert: text(auth['ServerCertPath'], path.join(folder, 'server.pem')),
    serverKey: text(auth['ServerKeyPath'], path.join(folder, 'server-key.pem')),
    sans: texts(auth['ServerCertSANs']),
  };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown, otherwise: string): string {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}
