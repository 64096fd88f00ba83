import type { Logger } from '../contract/logger';
import type { CreatePhase } from '../host/create-host';
import { resolveStoragePath } from '../store/storage-path';
import { Machine } from './machine';
import type { MachineOptions } from './machine-options';
import { openStore, SILENT } from './open-store';

/** How far a create is. */
export interface CreateProgress {
  readonly machine: string;
  readonly phase: CreatePhase;
  /** A step of the phase, or something worth knowing; undefined when the phase begins. */
  readonly text: string | undefined;
}

/** What goes with a create beside what is created. */
export interface CreateControl {
  /** Undoes everything; the rejection is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Must not throw. */
  readonly onProgress?: ((progress: CreateProgress) => void) | undefined;
  /** Leaves a machine whose creation failed to be looked at, as `hyperkit create` does; false unless given. */
  readonly keepFailed?: boolean | undefined;
}

/** The Docker hosts of one store, which docker-machine and `hyperkit` may work on at the same time. */
export class Machines {
  /** docker-machine's base folder, absolute. */
  readonly storagePath: string;

  private constructor(storagePath: string) {
    this.storagePath = storagePath;
  }

  /**
   * The machines of a store; nothing is read or made yet.
   * @param options `storagePath`: docker-machine's base folder; MACHINE_STORAGE_PATH or `~/.docker/machine` unless given. It
   * is made with the first machine.
   */
  static open(options: { readonly storagePath?: string | undefined } = {}): Machines {
    return new Machines(resolveStoragePath(options.storagePath));
  }

  /**
   * All machines, sorted by name; also those of other drivers and damaged ones, whose calls reject.
   * @throws DriverError HK_STORE_UNWRITABLE
   */
  async list(): Promise<readonly Machine[]> {
    const store = await openStore(this.storagePath);
    return store.list().map((name) => new Machine(name, this.storagePath));
  }

  /** @throws DriverError HK_MACHINE_UNKNOWN, HK_CONFIG_INVALID when it is damaged, HK_FOREIGN_DRIVER */
  async get(name: string): Promise<Machine> {
    const store = await openStore(this.storagePath);
    (await store.load(name)).requireDriver();
    return new Machine(name, this.storagePath);
  }

  /**
   * Makes a Docker host; resolves when its Docker answers over TLS. When it fails nothing of the machine is left.
   * @throws DriverError, EngineError: HK_USAGE and HK_FLAG_INVALID for the name and the options, HK_MACHINE_EXISTS,
   * HK_NO_HYPERVISOR, HK_ISO_MISSING, and what else docs/errors.md tells
   */
  async create(name: string, options: MachineOptions = {}, control: CreateControl = {}): Promise<Machine> {
    const { onProgress, keepFailed = false, signal = new AbortController().signal } = control;
    signal.throwIfAborted();
    let phase: CreatePhase = 'check';
    const tell = (text: string | undefined): void => onProgress?.({ machine: name, phase, text });
    const logger: Logger = { ...SILENT, info: tell, warn: tell };
    const [{ createHost, CreateRefused }, { hostRequest }, store] = await Promise.all([
      import('../host/create-host'),
      import('./machine-options'),
      openStore(this.storagePath, logger),
    ]);
    try {
      await createHost(store, hostRequest(name, options), {
        logger,
        signal,
        onPhase: (next) => {
          phase = next;
          tell(undefined);
        },
      });
    } catch (error) {
      if (error instanceof CreateRefused) throw error.cause;
      if (!keepFailed && !signal.aborted) {
        const { removeHost } = await import('../host/remove-host');
        // The failure itself says more than one of cleaning up after it.
        await removeHost(store, name, { force: true, onWarning: () => undefined }).catch(() => undefined);
      }
      throw error;
    }
    return new Machine(name, this.storagePath);
  }
}
