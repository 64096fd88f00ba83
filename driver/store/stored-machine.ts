import { machineLock } from '../config/machine-paths';
import type { MachineDriver } from '../contract/machine-driver';
import { DriverError } from '../errors';
import type { MachineDocument } from './config-file';

/**
 * One machine of the store. Its config.json is kept whole: keys that nobody here knows are written back as they were.
 * What only changing a machine needs is loaded when one is changed.
 */
export class StoredMachine {
  #document: MachineDocument;

  constructor(
    readonly name: string,
    /** machines/NAME */
    readonly folder: string,
    document: MachineDocument,
    /** In this process, with the configuration loaded; undefined for a machine of another driver, which is listed and never touched. */
    readonly driver: MachineDriver | undefined,
  ) {
    this.#document = document;
  }

  /** config.json as it was read or last saved. */
  get document(): MachineDocument {
    return this.#document;
  }

  get driverName(): string {
    return String(this.#document['DriverName']);
  }

  /**
   * The driver, for a verb that acts on the machine.
   * @throws DriverError HK_FOREIGN_DRIVER when the machine is of another driver.
   */
  requireDriver(): MachineDriver {
    if (this.driver !== undefined) return this.driver;
    throw new DriverError(
      'HK_FOREIGN_DRIVER',
      `cannot work on machine "${this.name}": its driver is "${this.driverName}", not hyperkit; use docker-machine for it`,
    );
  }

  /**
   * Runs work while no other command works on the machine. Drivers from the store take no lock themselves.
   * @param command what is being done, for whoever is refused meanwhile
   * @throws DriverError HK_MACHINE_BUSY naming who holds it
   */
  async withLock<T>(command: string, work: () => Promise<T>): Promise<T> {
    const { lockMachine } = await import('../lifecycle/machine-lock');
    const paths = { directory: this.folder, lock: machineLock(this.folder) };
    const lock = await lockMachine(paths, this.name, command);
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }

  /** Writes config.json with what the driver's configuration is now, as docker-machine does after each verb that went well. */
  async save(): Promise<void> {
    const raw = await this.requireDriver().getConfigRaw();
    this.#document = { ...this.#document, Driver: JSON.parse(Buffer.from(raw).toString('utf8')) };
    const { writeMachineDocument } = await import('./config-file-writer');
    await writeMachineDocument(this.folder, this.#document);
  }
}
