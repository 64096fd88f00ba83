import { emptyConfig, mergeConfig } from '../config/driver-config';
import { machinePaths } from '../config/machine-paths';
import type { Logger } from '../contract/logger';
import { MachineState } from '../contract/machine-driver';
import { untilAborted } from '../contract/until-aborted';
import { installIso, planIso } from '../iso/resolve';
import { isoRequest } from '../lifecycle/iso-request';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';
import { dockerAnswers } from './run-host';

export interface UpgradeOptions {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly programsDir: string;
}

/**
 * Gives a machine the ISO that a new one would get now, and starts it again; as with docker-machine a stopped one runs
 * afterwards. The ISO is looked for before the machine is stopped. Answers the guest's version, if its ISO tells one.
 */
export async function upgradeHost(
  store: MachineStore,
  machine: StoredMachine,
  { logger, signal, programsDir }: UpgradeOptions,
): Promise<string | undefined> {
  const driver = machine.requireDriver();
  return await machine.withLock(`hyperkit upgrade ${machine.name}`, async () => {
    const raw = Buffer.from(await driver.getConfigRaw()).toString('utf8');
    const { config } = mergeConfig(emptyConfig(), raw).document;
    const paths = machinePaths(config);
    const request = isoRequest({ config, paths, logger, signal, programsDir, isLocked: true });
    const plan = await planIso(request);
    if ((await driver.getState()) !== MachineState.Stopped) {
      logger.info('Stopping machine to do the upgrade...');
      await untilAborted(driver, signal, () => driver.stop());
    }
    logger.info('Installing the boot2docker ISO...');
    const { version } = await installIso(plan, paths.directory, request);
    logger.info('Starting machine back up...');
    await untilAborted(driver, signal, () => driver.start());
    await machine.save();
    await dockerAnswers(store, machine, signal);
    return version;
  });
}
