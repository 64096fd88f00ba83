import type { CreateFlag, FlagValues } from '../contract/create-flags';
import type { MachineDriver, MachineState } from '../contract/machine-driver';
import { type GobType, type GobValue, gob } from '../gob';
import {
  API_VERSION,
  CONTRACT_REGISTRY,
  DRIVER_OPTIONS,
  decodeFlags,
  encodeFlagValues,
  FLAG_LIST,
  SERVICE_NAMES,
} from '../plugin/contract-types';
import { EMPTY, NOTHING, RpcClient, RpcError } from '../rpc';

export interface DriverClientOptions {
  readonly connectTimeoutMs?: number;
  /** Pause between two heartbeats; 5 s by contract. Plugins end by themselves after 10 s of silence. */
  readonly heartbeatMs?: number;
}

/** The driver as it is seen over the wire: what is at hand inside the plugin has to be asked for. */
type RemoteDriver = Omit<MachineDriver, 'driverName' | 'getCreateFlags' | 'abandon'>;

/**
 * The client's half of docker-machine's contract: a plugin's driver, method for method. It beats the plugin's heart
 * until it is closed. Errors are {@link RpcError}s; `RPC_SERVER` carries the driver's own message.
 */
export class DriverClient implements RemoteDriver {
  readonly #rpc: RpcClient;
  readonly #service: string;
  readonly #heartbeatMs: number;
  #heartbeat: NodeJS.Timeout | undefined;

  private constructor(rpc: RpcClient, service: string, heartbeatMs: number) {
    this.#rpc = rpc;
    this.#service = service;
    this.#heartbeatMs = heartbeatMs;
    this.#scheduleHeartbeat();
    void rpc.closed.then(() => clearTimeout(this.#heartbeat));
  }

  /**
   * Connects to a running plugin and checks that it speaks our version of the contract.
   *
   * @throws RpcError
   */
  static async connect(address: string, options: DriverClientOptions = {}): Promise<DriverClient> {
    const { connectTimeoutMs, heartbeatMs = 5_000 } = options;
    const rpc = await RpcClient.connect(address, {
      registry: CONTRACT_REGISTRY,
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    });
    try {
      return new DriverClient(rpc, await agreeOnService(rpc), heartbeatMs);
    } catch (error) {
      await rpc.close();
      throw error;
    }
  }

  /** Settles when the connection is gone, whoever ended it. */
  get closed(): Promise<void> {
    return this.#rpc.closed;
  }

  async setConfigRaw(json: Uint8Array): Promise<void> {
    await this.#call('SetConfigRaw', json, gob.bytes, EMPTY);
  }

  async getConfigRaw(): Promise<Uint8Array> {
    return (await this.#get('GetConfigRaw', gob.bytes)) as Uint8Array;
  }

  async getCreateFlags(): Promise<readonly CreateFlag[]> {
    return decodeFlags(await this.#get('GetCreateFlags', FLAG_LIST));
  }

  async setConfigFromFlags(values: FlagValues): Promise<void> {
    await this.#call('SetConfigFromFlags', encodeFlagValues(values), DRIVER_OPTIONS, EMPTY);
  }

  driverName = (): Promise<string> => this.#getString('DriverName');
  getMachineName = (): Promise<string> => this.#getString('GetMachineName');
  getIP = (): Promise<string> => this.#getString('GetIP');
  getSSHHostname = (): Promise<string> => this.#getString('GetSSHHostname');
  getSSHKeyPath = (): Promise<string> => this.#getString('GetSSHKeyPath');
  getSSHUsername = (): Promise<string> => this.#getString('GetSSHUsername');
  getURL = (): Promise<string> => this.#getString('GetURL');

  async getSSHPort(): Promise<number> {
    return (await this.#get('GetSSHPort', gob.int)) as number;
  }

  async getState(): Promise<MachineState> {
    return (await this.#get('GetState', gob.int)) as MachineState;
  }

  preCreateCheck = (): Promise<void> => this.#act('PreCreateCheck');
  create = (): Promise<void> => this.#act('Create');
  remove = (): Promise<void> => this.#act('Remove');
  start = (): Promise<void> => this.#act('Start');
  stop = (): Promise<void> => this.#act('Stop');
  restart = (): Promise<void> => this.#act('Restart');
  kill = (): Promise<void> => this.#act('Kill');

  /** A sign of life, besides those that are sent anyway. */
  heartbeat = (): Promise<void> => this.#act('Heartbeat');

  /** Tells the plugin to end and closes the connection. A plugin that is gone already is what was wanted. */
  async close(): Promise<void> {
    clearTimeout(this.#heartbeat);
    await this.#act('Close').catch(() => {});
    await this.#rpc.close();
  }

  /** Closes the connection only: the plugin ends by itself, of silence. */
  async disconnect(): Promise<void> {
    clearTimeout(this.#heartbeat);
    await this.#rpc.close();
  }

  #call(method: string, argument: GobValue, argumentType: GobType, replyType: GobType): Promise<GobValue> {
    return this.#rpc.call(`${this.#service}.${method}`, argument, argumentType, replyType);
  }

  #get(method: string, replyType: GobType): Promise<GobValue> {
    return this.#call(method, NOTHING, EMPTY, replyType);
  }

  async #getString(method: string): Promise<string> {
    return (await this.#get(method, gob.string)) as string;
  }

  async #act(method: string): Promise<void> {
    await this.#get(method, EMPTY);
  }

  // The next beat is sent a while after the answer to the one before, as libmachine does.
  #scheduleHeartbeat(): void {
    this.#heartbeat = setTimeout(() => {
      this.heartbeat().then(
        () => this.#scheduleHeartbeat(),
        () => {}, // The connection is gone, which `closed` tells.
      );
    }, this.#heartbeatMs);
    this.#heartbeat.unref();
  }
}

/** Which of the two service names this plugin has, the newer first. */
async function agreeOnService(rpc: RpcClient): Promise<string> {
  let failure: unknown;
  for (const service of SERVICE_NAMES) {
    let version: GobValue;
    try {
      version = await rpc.call(`${service}.GetVersion`, NOTHING, EMPTY, gob.int);
    } catch (error) {
      failure ??= error;
      continue;
    }
    if (version === API_VERSION) return service;
    throw new RpcError('RPC_REFUSED', `cannot use this plugin: its API version is ${version}, not ${API_VERSION}`);
  }
  throw failure;
}
