import { types } from 'node:util';
import type { Logger } from '../contract/logger';
import type { MachineDriver } from '../contract/machine-driver';
import { untilAborted } from '../contract/until-aborted';
import { type GobType, type GobValue, gob } from '../gob';
import { EMPTY, NOTHING, type RpcMethod, type RpcService, type RpcServices } from '../rpc';
import { API_VERSION, DRIVER_OPTIONS, decodeFlagValues, encodeFlags, FLAG_LIST, SERVICE_NAMES } from './contract-types';

export interface MachineServiceOptions {
  /** The driver, loaded when the first method needs it. */
  driver(): Promise<MachineDriver>;
  readonly logger: Logger;
  /** The client has closed the plugin, and its reply is on the way. */
  onClosed(): void;
}

/** docker-machine's RPC contract (libmachine's RPCServerDriver), method for method. */
export function describeMachineService({ driver, logger, onClosed }: MachineServiceOptions): RpcServices {
  const get = (reply: GobType, read: (driver: MachineDriver) => GobValue | Promise<GobValue>): RpcMethod => ({
    argument: EMPTY,
    reply,
    handle: async () => read(await driver()),
  });
  const act = (perform: (driver: MachineDriver) => Promise<void>): RpcMethod => ({
    argument: EMPTY,
    reply: EMPTY,
    handle: async (_argument, caller) => {
      const it = await driver();
      // Of what a killed client had begun nobody will hear.
      await untilAborted(it, caller, () => perform(it));
      return NOTHING;
    },
  });

  const service: RpcService = {
    GetVersion: { argument: EMPTY, reply: gob.int, handle: () => API_VERSION },
    Heartbeat: { argument: EMPTY, reply: EMPTY, handle: () => NOTHING },
    Close: { argument: EMPTY, reply: EMPTY, handle: () => NOTHING, afterReply: onClosed },

    DriverName: get(gob.string, (it) => it.driverName()),
    GetCreateFlags: get(FLAG_LIST, (it) => encodeFlags(it.getCreateFlags())),
    GetConfigRaw: get(gob.bytes, (it) => it.getConfigRaw()),
    GetMachineName: get(gob.string, (it) => it.getMachineName()),
    GetIP: get(gob.string, (it) => it.getIP()),
    GetSSHHostname: get(gob.string, (it) => it.getSSHHostname()),
    GetSSHKeyPath: get(gob.string, (it) => it.getSSHKeyPath()),
    GetSSHPort: get(gob.int, (it) => it.getSSHPort()),
    GetSSHUsername: get(gob.string, (it) => it.getSSHUsername()),
    GetURL: get(gob.string, (it) => it.getURL()),
    GetState: get(gob.int, (it) => it.getState()),

    SetConfigRaw: {
      argument: gob.bytes,
      reply: EMPTY,
      handle: async (json) => {
        try {
          await (await driver()).setConfigRaw(json as Uint8Array);
        } catch (error) {
          // docker-machine dereferences nil when this call fails. The text is not logged: it may quote the JSON.
          logger.error(`cannot take the machine's configuration: ${error instanceof Error ? error.name : 'fault'}`);
        }
        return NOTHING;
      },
    },
    SetConfigFromFlags: {
      argument: DRIVER_OPTIONS,
      reply: EMPTY,
      handle: async (options) => {
        await (await driver()).setConfigFromFlags(decodeFlagValues(options));
        return NOTHING;
      },
    },

    PreCreateCheck: act((it) => it.preCreateCheck()),
    Create: act((it) => it.create().catch((error: unknown) => Promise.reject(asPanic(error, logger)))),
    Remove: act((it) => it.remove()),
    Start: act((it) => it.start()),
    Stop: act((it) => it.stop()),
    Restart: act((it) => it.restart()),
    Kill: act((it) => it.kill()),
  };
  return Object.fromEntries(SERVICE_NAMES.map((name) => [name, service]));
}

/** Go's server turns a panic in Create into an error of this form; ours is any exception that nobody meant to throw. */
function asPanic(thrown: unknown, logger: Logger): unknown {
  // Everything the layers below throw on purpose, and what the system reports, has a code; a wrong argument to a
  // function of Node has one too, and is a mistake of ours like any TypeError.
  if (types.isNativeError(thrown) && 'code' in thrown && !MISTAKES.has(thrown.name)) return thrown;
  const text = types.isNativeError(thrown) ? thrown.message : String(thrown);
  logger.error(`unexpected in Create: ${types.isNativeError(thrown) ? (thrown.stack ?? text) : text}`);
  return new Error(`Panic in the driver: ${text}`, { cause: thrown });
}

const MISTAKES: ReadonlySet<string> = new Set([
  'TypeError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'AssertionError',
]);
