import { type DescribedService, describeService, type Outlet } from '../../engine/grpc/handlers';
import { parseJsonObject } from '../../engine/json-object';
import {
  MachineDriver as MachineDriverService,
  type MachineRequest,
  type OperationEventSchema,
} from '../../proto/generated/hyperkit/driver/v1/driver_pb';
import { emptyConfig, mergeConfig } from '../config/driver-config';
import { DRIVER_NAME } from '../contract/driver-name';
import { HYPERKIT_FLAGS } from '../contract/hyperkit-flags';
import type { Logger } from '../contract/logger';
import { type MachineDriver, MachineState } from '../contract/machine-driver';
import { DriverError } from '../errors';
import { toFlagMessage, toFlagValues } from './flag-messages';
import type { DriverJson, MachineRecords } from './machine-records';
import { abandoned, logTo, runUntilAbandoned } from './operation';

export interface DriverServiceOptions {
  readonly records: MachineRecords;
  readonly log: (line: string) => void;
  /** A driver without a machine. */
  readonly createDriver: (logger: Logger) => MachineDriver;
}

type Events = Outlet<typeof OperationEventSchema>;

/**
 * hyperkit.driver.v1: the driver's contract for the machines of a store. Each call has a driver of its own, with the
 * machine's configuration laid in, as each command of docker-machine has a plugin of its own.
 */
export function describeDriverService({ records, log, createDriver }: DriverServiceOptions): DescribedService {
  const silent: Logger = { info: () => undefined, warn: () => undefined, debug: () => undefined, error: log };
  /** What changes a machine's files, one at a time for each machine. */
  const working = new Set<string>();

  /** Name and store are the server's, whatever a configuration says. */
  const open = async (machine: string, configs: readonly DriverJson[], logger = silent): Promise<MachineDriver> => {
    records.folderOf(machine);
    const driver = createDriver(logger);
    const place = JSON.stringify({ MachineName: machine, StorePath: records.storePath });
    for (const config of [...configs, place]) await driver.setConfigRaw(Buffer.from(config));
    return driver;
  };
  const configOf = async (driver: MachineDriver): Promise<DriverJson> =>
    Buffer.from(await driver.getConfigRaw()).toString('utf8');
  const withDriver = async <T>(machine: string, ask: (driver: MachineDriver) => Promise<T>): Promise<T> =>
    await ask(await open(machine, [records.require(machine)]));

  const alone = async (machine: string, work: () => Promise<void>): Promise<void> => {
    if (working.has(machine)) {
      throw new DriverError('HK_MACHINE_BUSY', `cannot work on machine "${machine}": another call is working on it`);
    }
    working.add(machine);
    try {
      await work();
    } finally {
      working.delete(machine);
    }
  };

  const sendResult = async (driver: MachineDriver, events: Events): Promise<void> => {
    const state = await driver.getState();
    const url = state === MachineState.Running ? await driver.getURL() : '';
    events.send({ event: { case: 'result', value: { state, url } } });
  };

  const operate =
    (perform: (driver: MachineDriver) => Promise<void>) =>
    async ({ machine }: MachineRequest, events: Events, signal: AbortSignal): Promise<void> =>
      await alone(machine, async () => {
        const driver = await open(machine, [requireExisting(records, machine)], logTo(events, log));
        await runUntilAbandoned(driver, signal, () => perform(driver));
        await records.save(machine, await configOf(driver));
        await sendResult(driver, events);
      });

  /** The draft is there again afterwards. What can't be undone stays a machine, for Remove. */
  const undoCreate = async (machine: string, driver: MachineDriver, config: DriverJson): Promise<void> => {
    try {
      await driver.remove();
      await records.remove(machine);
      await records.keep(machine, config);
    } catch (error) {
      log(`cannot undo the creation of "${machine}": ${(error as Error).message}`);
    }
  };

  return describeService(MachineDriverService, {
    driverName: async () => ({ name: DRIVER_NAME }),
    getCreateFlags: async () => ({ flags: HYPERKIT_FLAGS.map(toFlagMessage) }),

    setConfigRaw: async ({ machine, config }) => {
      const text = Buffer.from(config).toString('utf8');
      if (parseJsonObject(text) === undefined) {
        throw new DriverError('HK_CONFIG_INVALID', `cannot configure machine "${machine}": that is no JSON object`);
      }
      const former = records.find(machine);
      const driver = await open(machine, former === undefined ? [text] : [former, text]);
      await alone(machine, async () => await records.keep(machine, await configOf(driver)));
      return { complaints: [...mergeConfig(emptyConfig(), text).complaints] };
    },
    getConfigRaw: async ({ machine }) =>
      await withDriver(machine, async (driver) => ({ config: await driver.getConfigRaw() })),
    setConfigFromFlags: async ({ machine, flags }) => {
      records.refuseExisting(machine);
      const driver = await open(machine, []);
      await driver.setConfigFromFlags(toFlagValues(flags));
      await records.keep(machine, await configOf(driver));
      return {};
    },

    getMachineName: async ({ machine }) =>
      await withDriver(machine, async (driver) => ({ machineName: await driver.getMachineName() })),
    getIP: async ({ machine }) => await withDriver(machine, async (driver) => ({ ip: await driver.getIP() })),
    getSSHHostname: async ({ machine }) =>
      await withDriver(machine, async (driver) => ({ hostname: await driver.getSSHHostname() })),
    getSSHKeyPath: async ({ machine }) =>
      await withDriver(machine, async (driver) => ({ path: await driver.getSSHKeyPath() })),
    getSSHPort: async ({ machine }) =>
      await withDriver(machine, async (driver) => ({ port: await driver.getSSHPort() })),
    getSSHUsername: async ({ machine }) =>
      await withDriver(machine, async (driver) => ({ username: await driver.getSSHUsername() })),
    getURL: async ({ machine }) => await withDriver(machine, async (driver) => ({ url: await driver.getURL() })),
    getState: async ({ machine }) => await withDriver(machine, async (driver) => ({ state: await driver.getState() })),

    preCreateCheck: async ({ machine }, signal) => {
      records.refuseExisting(machine);
      const warnings: string[] = [];
      const driver = await open(machine, [records.require(machine)], {
        ...silent,
        warn: (text) => warnings.push(text),
      });
      await runUntilAbandoned(driver, signal, () => driver.preCreateCheck());
      await records.keep(machine, await configOf(driver));
      return { warnings };
    },

    create: async ({ machine }, events, signal) =>
      await alone(machine, async () => {
        records.refuseExisting(machine);
        const config = records.require(machine);
        const driver = await open(machine, [config], logTo(events, log));
        await records.makeFolder(machine);
        try {
          // A server that is killed from here on leaves a machine that Remove knows.
          await records.save(machine, config);
          await runUntilAbandoned(driver, signal, () => driver.create());
          if (signal.aborted) throw abandoned();
          await records.save(machine, await configOf(driver));
          await sendResult(driver, events);
        } catch (error) {
          await undoCreate(machine, driver, config);
          throw error;
        }
      }),
    start: operate((driver) => driver.start()),
    stop: operate((driver) => driver.stop()),
    restart: operate((driver) => driver.restart()),
    kill: async ({ machine }, signal) => {
      const driver = await open(machine, [requireExisting(records, machine)]);
      await runUntilAbandoned(driver, signal, () => driver.kill());
      return {};
    },
    remove: async ({ machine }, signal) => {
      await alone(machine, async () => {
        const driver = await open(machine, [records.require(machine)]);
        await runUntilAbandoned(driver, signal, () => driver.remove());
        await records.remove(machine);
      });
      return {};
    },
  });
}

/** A draft can't be started or stopped. @throws DriverError HK_MACHINE_UNKNOWN */
function requireExisting(records: MachineRecords, machine: string): DriverJson {
  const found = records.find(machine);
  if (found !== undefined) return found;
  throw new DriverError(
    'HK_MACHINE_UNKNOWN',
    `the store ${records.storePath} has no machine "${machine}"; it must be created first`,
  );
}
