import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { DRIVER_NAME } from '../contract/driver-name';
import { DriverError } from '../errors';
import { newHostOptions } from '../host/host-options';
import { guardStore } from '../iso/store-error';
import { CONFIG_VERSION, configPath, type MachineDocument, readMachineDocument } from '../store/config-file';
import { writeMachineDocument } from '../store/config-file-writer';
import { isMachineName } from '../store/machine-name';
import { makeMachineFolder } from '../store/make-folder';

/** Machines that are configured and not created yet. Of more the oldest is forgotten. */
const MAX_DRAFTS = 64;

const MAX_NAME_LENGTH = 200;
/** Where docker-machine's clients would find an installer; boot2docker guests need none. */
const INSTALL_URL = 'https://get.docker.com';
const NO_WISHES = { flags: [], env: [], insecureRegistries: [], labels: [], registryMirrors: [], storageDriver: '' };

/** The driver's part of a machine's configuration, as JSON text. */
export type DriverJson = string;

/** Where the configurations of one store's machines are: docker-machine's config.json, or a draft until there is one. */
export class MachineRecords {
  readonly #drafts = new Map<string, DriverJson>();

  /** @param storePath absolute */
  constructor(readonly storePath: string) {}

  /** machines/NAME. @throws DriverError HK_CONFIG_INVALID for a name that can't be part of a path */
  folderOf(name: string): string {
    if (!isMachineName(name) || name.length > MAX_NAME_LENGTH) {
      const rule = 'it must begin with a letter or digit and contain only those and . _ -';
      throw new DriverError(
        'HK_CONFIG_INVALID',
        `cannot use the machine name "${name.slice(0, MAX_NAME_LENGTH)}": ${rule}`,
      );
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
    await makeMachineFolder(folder, (cause) => {
      const text = `cannot create machine "${name}": its folder ${folder} is there already; remove the machine first`;
      return new DriverError('HK_MACHINE_EXISTS', text, { cause });
    });
  }

  /** Writes config.json; keys of a former one that are not the driver's stay as they are. */
  async save(name: string, driver: DriverJson): Promise<void> {
    const document = { ...(this.#readDocument(name) ?? this.#newDocument(name)), Driver: JSON.parse(driver) };
    await writeMachineDocument(this.folderOf(name), document);
    this.#drafts.delete(name);
  }

  /** Deletes the machine's folder and its draft. */
  async remove(name: string): Promise<void> {
    const folder = this.folderOf(name);
    this.#drafts.delete(name);
    await guardStore(folder, async () => await rm(folder, { recursive: true, force: true }));
  }

  #readDocument(name: string): MachineDocument | undefined {
    const folder = this.folderOf(name);
    return existsSync(configPath(folder)) ? readMachineDocument(name, folder) : undefined;
  }

  /** What docker-machine needs besides to manage the machine. */
  #newDocument(name: string): MachineDocument {
    return {
      ConfigVersion: CONFIG_VERSION,
      DriverName: DRIVER_NAME,
      HostOptions: newHostOptions(this.storePath, name, NO_WISHES, [], INSTALL_URL),
      Name: name,
    };
  }
}
