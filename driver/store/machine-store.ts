import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { DRIVER_NAME } from '../contract/driver-name';
import type { Logger } from '../contract/logger';
import type { MachineDriver } from '../contract/machine-driver';
import { DriverError } from '../errors';
import { CONFIG_VERSION, type MachineDocument, readMachineDocument } from './config-file';
import { isMachineName } from './machine-name';
import { StoredMachine } from './stored-machine';

export interface MachineStoreOptions {
  /** docker-machine's base folder, absolute; see resolveStoragePath. */
  readonly path: string;
  /** Folder of the built programs; machine processes are started from there. */
  readonly programsDir: string;
  /** Where the drivers' words about one machine go. */
  readonly loggerOf: (machineName: string) => Logger;
}

/** docker-machine's store: what one client makes, the other manages. */
export class MachineStore {
  readonly #options: MachineStoreOptions;

  constructor(options: MachineStoreOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** machines/NAME */
  folderOf(name: string): string {
    return path.join(this.path, 'machines', name);
  }

  /** Names of all machines, also of other drivers, sorted. A store that is not there yet has none. */
  list(): readonly string[] {
    const machines = path.join(this.path, 'machines');
    try {
      return readdirSync(machines, { withFileTypes: true })
        .filter((entry) => !entry.name.startsWith('.') && isFolder(path.join(machines, entry.name)))
        .map((entry) => entry.name)
        .sort();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new DriverError('HK_STORE_UNWRITABLE', `cannot read the store ${machines}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** Whether that name is taken: to docker-machine the folder is the machine. */
  has(name: string): boolean {
    return isMachineName(name) && isFolder(this.folderOf(name));
  }

  /**
   * One machine with its driver.
   * @throws DriverError HK_MACHINE_UNKNOWN when there is none of that name, HK_CONFIG_INVALID when its config.json is no use.
   */
  async load(name: string): Promise<StoredMachine> {
    if (!this.has(name)) {
      throw new DriverError(
        'HK_MACHINE_UNKNOWN',
        `machine "${name}" does not exist; "hyperkit ls" lists the machines, "hyperkit create ${name}" makes this one`,
      );
    }
    const document = readMachineDocument(name, this.folderOf(name));
    return await this.#open(name, document);
  }

  /** A machine that is about to be created: nothing of it is on disk yet. */
  async draft(name: string, hostOptions: object): Promise<StoredMachine> {
    const document = {
      ConfigVersion: CONFIG_VERSION,
      Driver: { MachineName: name, StorePath: this.path },
      DriverName: DRIVER_NAME,
      HostOptions: hostOptions,
      Name: name,
    };
    return await this.#open(name, document);
  }

  async #open(name: string, document: MachineDocument): Promise<StoredMachine> {
    const folder = this.folderOf(name);
    if (document['DriverName'] !== DRIVER_NAME) return new StoredMachine(name, folder, document, undefined);
    return new StoredMachine(name, folder, document, await this.#driverOf(name, document['Driver']));
  }

  /** Where the machine lies and its name are what the store says, also when its folder was copied from elsewhere. */
  async #driverOf(name: string, config: unknown): Promise<MachineDriver> {
    // Loaded for the first machine: a list of none needs no driver.
    const { createHyperkitDriver } = await import('../hyperkit-driver');
    const driver = createHyperkitDriver({
      logger: this.#options.loggerOf(name),
      programsDir: this.#options.programsDir,
      isLocked: true,
    });
    const own = typeof config === 'object' && config !== null ? config : {};
    const placed = { ...own, MachineName: name, StorePath: this.path };
    await driver.setConfigRaw(Buffer.from(JSON.stringify(placed)));
    return driver;
  }
}

function isFolder(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
