import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseJsonObject } from '../../engine/json-object';
import { replaceFile } from '../../engine/storage/atomic-file';
import { readSmallFile } from '../../engine/storage/small-file';
import { DriverError } from '../errors';
import { DRIVER_NAME, MACHINE_NAME } from '../hyperkit-driver';

/** docker-machine's are a few KB. */
const MAX_CONFIG_BYTES = 1024 * 1024;
/** Machines that are configured and not created yet. Of more the oldest is forgotten. */
const MAX_DRAFTS = 64;

/** The driver's part of a machine's configuration, as JSON text. */
export type DriverJson = string;

/** Where the configurations of one store's machines are: docker-machine's config.json, or a draft until there is one. */
export class MachineRecords {
  readonly #drafts = new Map<string, DriverJson>();

  /** @param storePath absolute */
  constructor(readonly storePath: string) {}

  /** machines/NAME. @throws DriverError HK_CONFIG_INVALID for a name that can't be part of a path */
  folderOf(name: string): string {
    if (!MACHINE_NAME.test(name) || name.length > 200) {
      const rule = 'it must begin with a letter or digit and contain only those and . _ -';
      throw new DriverError('HK_CONFIG_INVALID', `cannot use the machine name "${name.slice(0, 200)}": ${rule}`);
    }
    return path.join(this.storePath, 'machines', name);
  }

  /** Undefined when the store has no machine of this name. @throws DriverError HK_CONFIG_INVALID when it is of no use. */
  find(name: string): DriverJson | undefined {
    const document = this.#readDocument(name);
    if (document === undefined) return undefined;
    const { Driver, DriverName } = document;
    if (DriverName !== DRIVER_NAME || typeof Driver !== 'object' || Driver === null) {
      throw new DriverError('HK_CONFIG_INVALID', `cannot use machine "${name}": its driver is not hyperkit`);
    }
    return JSON.stringify(Driver);
  }

  /** @throws DriverError HK_MACHINE_UNKNOWN when there is neither a machine nor a draft */
  require(name: string): DriverJson {
    const found = this.find(name) ?? this.#drafts.get(name);
    if (found !== undefined) return found;
    throw new DriverError(
      'HK_MACHINE_UNKNOWN',
      `the store ${this.storePath} has no machine "${name}"; configure a new one with SetConfigFromFlags, then Create`,
    );
  }

  /** @throws DriverError HK_MACHINE_EXISTS */
  refuseExisting(name: string): void {
    if (this.#readDocument(name) === undefined) return;
    throw new DriverError('HK_MACHINE_EXISTS', `the store ${this.storePath} has a machine "${name}" already`);
  }

  /** Keeps the configuration: on disk when the machine exists, else as its draft. */
  async keep(name: string, driver: DriverJson): Promise<void> {
    if (this.#readDocument(name) !== undefined) {
      await this.save(name, driver);
      return;
    }
    this.#drafts.delete(name);
    this.#drafts.set(name, driver);
    const [oldest] = this.#drafts.keys();
    if (this.#drafts.size > MAX_DRAFTS && oldest !== undefined) this.#drafts.delete(oldest);
  }

  /** Makes the folder of a machine that did not exist. @throws DriverError HK_MACHINE_EXISTS when there is one */
  async makeFolder(name: string): Promise<void> {
    const folder = this.folderOf(name);
    try {
      await mkdir(path.dirname(folder), { recursive: true, mode: 0o700 });
      await mkdir(folder, { mode: 0o700 });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
        const text = `cannot create machine "${name}": its folder ${folder} is there already; remove the machine first`;
        throw new DriverError('HK_MACHINE_EXISTS', text, { cause });
      }
      throw unwritable(folder, cause);
    }
  }

  /** Writes config.json; keys of a former one that are not the driver's stay as they are. */
  async save(name: string, driver: DriverJson): Promise<void> {
    const folder = this.folderOf(name);
    const document = { ...(this.#readDocument(name) ?? this.#newDocument(name)), Driver: JSON.parse(driver) };
    try {
      await replaceFile(path.join(folder, 'config.json'), 0o600, async (file) => {
        await file.writeFile(JSON.stringify(document, undefined, 4));
      });
    } catch (cause) {
      throw unwritable(folder, cause);
    }
    this.#drafts.delete(name);
  }

  /** Deletes the machine's folder and its draft. */
  async remove(name: string): Promise<void> {
    const folder = this.folderOf(name);
    this.#drafts.delete(name);
    try {
      await rm(folder, { recursive: true, force: true });
    } catch (cause) {
      throw unwritable(folder, cause);
    }
  }

  #readDocument(name: string): Readonly<Record<string, unknown>> | undefined {
    const file = path.join(this.folderOf(name), 'config.json');
    const reading = readSmallFile(file, MAX_CONFIG_BYTES);
    if ('problem' in reading && reading.code === 'ENOENT') return undefined;
    const document = 'text' in reading ? parseJsonObject(reading.text) : undefined;
    if (document !== undefined) return document;
    const why = 'problem' in reading ? reading.problem : 'it is no JSON object';
    throw new DriverError('HK_CONFIG_INVALID', `cannot use machine "${name}": ${file} is damaged: ${why}; mend it`);
  }

  /** What docker-machine needs besides to manage the machine. */
  #newDocument(name: string): Readonly<Record<string, unknown>> {
    const certs = path.join(this.storePath, 'certs');
    const folder = this.folderOf(name);
    return {
      ConfigVersion: 3,
      DriverName: DRIVER_NAME,
      HostOptions: {
        EngineOptions: { InstallURL: 'https://get.docker.com', TlsVerify: true },
        SwarmOptions: { Host: 'tcp://0.0.0.0:3376', Image: 'swarm:latest', Strategy: 'spread' },
        AuthOptions: {
          CertDir: certs,
          CaCertPath: path.join(certs, 'ca.pem'),
          CaPrivateKeyPath: path.join(certs, 'ca-key.pem'),
          ClientCertPath: path.join(certs, 'cert.pem'),
          ClientKeyPath: path.join(certs, 'key.pem'),
          ServerCertPath: path.join(folder, 'server.pem'),
          ServerKeyPath: path.join(folder, 'server-key.pem'),
          StorePath: folder,
        },
      },
      Name: name,
    };
  }
}

function unwritable(folder: string, cause: unknown): DriverError {
  const text = `cannot write to ${folder}: ${(cause as Error).message}; make the folder writable for this user`;
  return new DriverError('HK_STORE_UNWRITABLE', text, { cause });
}
