import type { MachineStatus } from '../../engine/machine/state';
import type { CommandOptions, CommandResult } from '../ssh/command-result';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';
import { openStore } from './open-store';

/** What a machine is doing. `suspended`: it doesn't run, and goes on from where it was when it is started. */
export type MachineStateName = MachineStatus['state'] | 'suspended';

/** Where a machine's Docker is and how to speak to it, as `https.request` and dockerode take it: TLS with both sides' certificates. */
export interface DockerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM, as the other two. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A call that may be given up. */
export interface Abortable {
  /** Ends the wait and what it waits for; the rejection is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One machine of a store. Its files are read at each call, so that it is seen as other programs have left it; every call
 * may reject with a DriverError HK_MACHINE_UNKNOWN, HK_CONFIG_INVALID or HK_FOREIGN_DRIVER.
 */
export class Machine {
  readonly name: string;
  readonly #storagePath: string;

  /** @internal */
  constructor(name: string, storagePath: string) {
    this.name = name;
    this.#storagePath = storagePath;
  }

  /** What it is doing, from its files and the process table; no connection is made. */
  async state(): Promise<MachineStateName> {
    const { machine } = await this.#load();
    const { readMachineStatus } = await import('../../engine/machine/state');
    const status = await readMachineStatus(machine.folder);
    return status.state === 'stopped' && status.suspended === true ? 'suspended' : status.state;
  }

  /**
   * Starts it and waits for its Docker.
   * @throws DriverError HK_MACHINE_STATE when it runs already, HK_MACHINE_BUSY, HK_SSH_UNREACHABLE, HK_DOCKER_UNREACHABLE;
   * EngineError
   */
  async start({ signal = never() }: Abortable = {}): Promise<void> {
    const { store, machine } = await this.#load();
    const { startHost } = await import('../host/run-host');
    await startHost(store, machine, { signal, onBooted: () => undefined });
  }

  /**
   * Presses its power button and waits until the guest is down.
   * @throws DriverError HK_MACHINE_STATE when it is stopped, HK_MACHINE_BUSY, HK_STOP_TIMEOUT
   */
  async stop({ signal = never() }: Abortable = {}): Promise<void> {
    const { machine } = await this.#load();
    const { stopHost } = await import('../host/run-host');
    await stopHost(machine, signal);
  }

  /**
   * Saves it as it runs; `start` lets it go on from there, with its containers and without its connections.
   * @throws DriverError HK_MACHINE_STATE when it doesn't run, HK_MACHINE_BUSY; EngineError HK_REQUEST_UNSUPPORTED,
   * HK_SUSPEND_FAILED when it runs on
   */
  async suspend({ signal = never() }: Abortable = {}): Promise<void> {
    const { machine } = await this.#load();
    const { suspendHost } = await import('../host/suspend-host');
    await suspendHost(machine, signal);
  }

  /** Pulls its plug, also while another program works on it. @throws DriverError HK_MACHINE_STATE when it is stopped */
  async kill(): Promise<void> {
    const { machine } = await this.#load();
    const { killHost } = await import('../host/run-host');
    await killHost(machine);
  }

  /**
   * Ends it, running or not, and deletes all that is of it.
   * @param options `force`: also one that is damaged, or on which another program works
   * @throws DriverError HK_MACHINE_BUSY, HK_STORE_UNWRITABLE
   */
  async remove({ force = false }: { readonly force?: boolean | undefined } = {}): Promise<void> {
    const store = await openStore(this.#storagePath);
    const { removeHost } = await import('../host/remove-host');
    await removeHost(store, this.name, { force, onWarning: () => undefined });
  }

  /** The host's address where all its ports are. @throws DriverError HK_HOST_NOT_RUNNING */
  async ip(): Promise<string> {
    const { machine } = await this.#load();
    return await machine.requireDriver().getIP();
  }

  /** `tcp://IP:2376`, for DOCKER_HOST. @throws DriverError HK_HOST_NOT_RUNNING */
  async dockerUrl(): Promise<string> {
    const { machine } = await this.#load();
    return await machine.requireDriver().getURL();
  }

  /** @throws DriverError HK_HOST_NOT_RUNNING, HK_CERTIFICATE_INVALID */
  async dockerOptions(): Promise<DockerOptions> {
    const { store, machine } = await this.#load();
    const url = await machine.requireDriver().getURL();
    const [{ dockerTarget }, { readAuthPaths }] = await Promise.all([
      import('../docker/docker-client'),
      import('../host/host-options'),
    ]);
    const paths = readAuthPaths(machine.document, store.path, machine.folder);
    const { host, port, caPem, certificatePem, keyPem } = dockerTarget(url, paths);
    return { host, port, ca: caPem, cert: certificatePem, key: keyPem };
  }

  /**
   * Runs a command over SSH, by the user's shell, to its end. Any exit status is a result.
   * @throws DriverError HK_HOST_NOT_RUNNING, HK_SSH_UNREACHABLE, HK_SSH_DENIED, HK_SSH_LOST, HK_SSH_COMMAND_FAILED,
   * HK_SSH_TIMEOUT after `deadlineMs`, which is two minutes unless given
   */
  async run(command: string, options: CommandOptions & Abortable = {}): Promise<CommandResult> {
    const { signal = never() } = options;
    const { store } = await this.#load();
    const { logIn, requireRunning } = await import('../host/running-machine');
    const machine = await requireRunning({ store }, this.name, 'Cannot run SSH command');
    const connection = await logIn(machine, { signal });
    const onAbort = (): void => connection.close();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await connection.run(command, options);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      connection.close();
    }
  }

  async #load(): Promise<{ readonly store: MachineStore; readonly machine: StoredMachine }> {
    const store = await openStore(this.#storagePath);
    const machine = await store.load(this.name);
    machine.requireDriver();
    return { store, machine };
  }
}

function never(): AbortSignal {
  return new AbortController().signal;
}
