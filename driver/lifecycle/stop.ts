import { killMachine, pressPowerButton, waitForExit } from '../../engine/machine/control';
import { readMachineStatus } from '../../engine/machine/state';
import { DriverError } from '../errors';
import type { MachineContext } from './machine-context';

/** A guest that is still booting doesn't hear the power button, so it is pressed again until it goes. */
const PRESS_EVERY_MS = 10_000;
const PRESSES = 9;

/**
 * Shuts the guest down by its power button and waits for it: containers stop and file systems are written.
 * Never pulls the plug by itself.
 * @throws DriverError HK_STOP_TIMEOUT when the guest doesn't go.
 */
export async function stopMachine(context: MachineContext): Promise<void> {
  const { directory } = context.paths;
  if ((await readMachineStatus(directory)).state === 'stopped') return;
  for (let press = 0; press < PRESSES; press++) {
    context.signal.throwIfAborted();
    await pressPowerButton(directory);
    if (await waitForExit(directory, PRESS_EVERY_MS)) return;
  }
  throw new DriverError(
    'HK_STOP_TIMEOUT',
    `machine "${context.config.MachineName}" did not power off within ${(PRESSES * PRESS_EVERY_MS) / 1000} s; ` +
      `"hyperkit logs" shows its console, and "hyperkit kill ${context.config.MachineName}" ends it (unsaved data of its containers is lost)`,
  );
}

/** Pulls the plug. */
export async function killRunningMachine(context: MachineContext): Promise<void> {
  await killMachine(context.paths.directory);
}
