import { randomUUID } from 'node:crypto';
import { readMachineStatus } from '../engine/machine/state';
import { DOCKER_PORT } from './address/endpoint';
import { type ConfigDocument, emptyConfig, mergeConfig, serializeConfig } from './config/driver-config';
import { type MachinePaths, machinePaths } from './config/machine-paths';
import type { FlagValues } from './contract/create-flags';
import { DRIVER_NAME } from './contract/driver-name';
import { HYPERKIT_FLAGS, readHyperkitFlags } from './contract/hyperkit-flags';
import type { Logger } from './contract/logger';
import { type DockerOffer, type MachineDriver, MachineState } from './contract/machine-driver';
import { DriverError } from './errors';
import type { MachineContext } from './lifecycle/machine-context';
import { isMachineName } from './store/machine-name';
import { findNetworkSocket } from './swarm/swarm-network';

/** What the plugin process gives its driver. */
export interface DriverSurroundings {
  readonly logger: Logger;
  /** Folder of the built programs; the machine process is started from there. */
  readonly programsDir: string;
  /** The caller holds the machine's lock around every verb; else `create` and `start` take it themselves. */
  readonly isLocked?: boolean;
}

/** Makes the driver of one machine. It starts empty; the client fills it by SetConfigRaw or SetConfigFromFlags. */
export function createHyperkitDriver(surroundings: DriverSurroundings): MachineDriver {
  return new HyperkitDriver(surroundings);
}

/**
 * libmachine's driver contract over the engine. Getters answer from memory and the machine's files; everything that
 * takes time is loaded when it is first asked for, because every docker-machine command starts a plugin of its own.
 */
class HyperkitDriver implements MachineDriver {
  readonly #surroundings: DriverSurroundings;
  #document: ConfigDocument = emptyConfig();
  /** The operation under way; `abandon` ends it. */
  #operation: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;

  constructor(surroundings: DriverSurroundings) {
    this.#surroundings = surroundings;
  }

  driverName(): string {
    return DRIVER_NAME;
  }

  getCreateFlags(): typeof HYPERKIT_FLAGS {
    return HYPERKIT_FLAGS;
  }

  async setConfigRaw(json: Uint8Array): Promise<void> {
    const { document, complaints } = mergeConfig(this.#document, Buffer.from(json).toString('utf8'));
    this.#document = document;
    for (const complaint of complaints) this.#surroundings.logger.debug(complaint);
  }

  async getConfigRaw(): Promise<Uint8Array> {
    return Buffer.from(serializeConfig(this.#document));
  }

  async setConfigFromFlags(values: FlagValues): Promise<void> {
    const options = readHyperkitFlags(values);
    const { config } = this.#document;
    // Refused now, as every other option is; it is looked for again at each start.
    findNetworkSocket(options.vpnkitSock, config.StorePath);
    config.Boot2DockerURL = options.boot2dockerUrl;
    config.CPU = options.cpuCount;
    config.Memory = options.memoryMb;
    config.DiskSize = options.diskMb;
    config.UUID = options.uuid === '' ? randomUUID() : options.uuid;
    config.Cmdline = options.commandLine;
    config.Engine = options.engine;
    config.Accel = options.accelerator;
    config.Warm = options.warm;
    config.BindAddress = options.bindAddress;
    config.VpnKitSock = options.vpnkitSock;
    config.HostPorts = options.hostPorts;
    config.SSHUser = 'docker';
  }

  async getMachineName(): Promise<string> {
    return this.#document.config.MachineName;
  }

  async getIP(): Promise<string> {
    if ((await this.getState()) !== MachineState.Running) throw hostNotRunning();
    return (await this.#endpoint()).address;
  }

  async getSSHHostname(): Promise<string> {
    return (await this.#endpoint()).address;
  }

  async getSSHKeyPath(): Promise<string> {
    return this.#paths().sshKey;
  }

  async getSSHPort(): Promise<number> {
    return (await this.#endpoint()).sshPort;
  }

  async getSSHUsername(): Promise<string> {
    return this.#document.config.SSHUser === '' ? 'docker' : this.#document.config.SSHUser;
  }

  async getURL(): Promise<string> {
    return `tcp://${await this.getIP()}:${DOCKER_PORT}`;
  }

  async getState(): Promise<MachineState> {
    const status = await readMachineStatus(this.#paths().directory);
    switch (status.state) {
      case 'running':
        return MachineState.Running;
      case 'paused':
        return MachineState.Paused;
      case 'starting':
        return MachineState.Starting;
      case 'stopped':
        return status.suspended === true ? MachineState.Saved : MachineState.Stopped;
    }
  }

  async preCreateCheck(): Promise<void> {
    await this.#operate(async (context) => {
      const { checkBeforeCreate } = await import('./lifecycle/create');
      await checkBeforeCreate(context);
    });
  }

  async create(offer?: DockerOffer): Promise<void> {
    await this.#operate(async (context) => {
      const { createMachine } = await import('./lifecycle/create');
      await createMachine(context, offer);
    });
  }

  async start(): Promise<void> {
    await this.#operate(async (context) => {
      const { startMachine } = await import('./lifecycle/start');
      await startMachine(context);
    });
  }

  async stop(): Promise<void> {
    await this.#operate(async (context) => {
      const { stopMachine } = await import('./lifecycle/stop');
      await stopMachine(context);
    });
  }

  async restart(): Promise<void> {
    await this.#operate(async (context) => {
      const { stopMachine } = await import('./lifecycle/stop');
      const { startMachine } = await import('./lifecycle/start');
      await stopMachine(context);
      await startMachine(context);
    });
  }

  async kill(): Promise<void> {
    await this.#operate(async (context) => {
      const { killRunningMachine } = await import('./lifecycle/stop');
      await killRunningMachine(context);
    });
  }

  async remove(): Promise<void> {
    // The client deletes the folder. Whatever still runs is found by the files in it: a create that was cut off left
    // no usable configuration.
    await this.kill();
  }

  async abandon(): Promise<void> {
    const operation = this.#operation;
    if (operation === undefined) return;
    operation.abort.abort(
      new DriverError('HK_CLIENT_GONE', 'the command was interrupted; what it had started was undone'),
    );
    await operation.done;
  }

  /** Runs one long operation and remembers it for `abandon`. */
  async #operate(work: (context: MachineContext) => Promise<void>): Promise<void> {
    const abort = new AbortController();
    const context: MachineContext = {
      ...this.#surroundings,
      isLocked: this.#surroundings.isLocked ?? false,
      config: this.#document.config,
      paths: this.#paths(),
      signal: abort.signal,
    };
    const running = work(context);
    this.#operation = { abort, done: running.catch(() => undefined) };
    try {
      await running;
    } finally {
      this.#operation = undefined;
    }
  }

  /** The address a running machine really has comes from its files: a start whose wait failed was never saved by the client. */
  async #endpoint(): Promise<{ readonly address: string; readonly sshPort: number }> {
    const { readEndpoint } = await import('./address/recorded-endpoint');
    const { config } = this.#document;
    const recorded = await readEndpoint(this.#paths().directory);
    return {
      address: recorded?.address ?? config.IPAddress,
      sshPort: recorded?.sshPort ?? (config.SSHPort === 0 ? 22 : config.SSHPort),
    };
  }

  /** The name becomes part of paths, so it is checked here and not only by the client. */
  #paths(): MachinePaths {
    const { config } = this.#document;
    if (!isMachineName(config.MachineName)) {
      throw new DriverError(
        'HK_CONFIG_INVALID',
        `cannot use the machine name "${config.MachineName}": it must begin with a letter or digit and contain only those and . _ -`,
      );
    }
    return machinePaths(config);
  }
}

/** docker-machine compares this text literally; `ls` shows such a machine as stopped and not as broken. */
function hostNotRunning(): DriverError {
  return new DriverError('HK_HOST_NOT_RUNNING', 'Host is not running');
}
