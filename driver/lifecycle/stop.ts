import { killMachine, pressPowerButton, waitForExit } from '../../engine/machine/control';
import { readMachineStatus } from '../../engine/machine/state';
import { dropSuspension, isSuspended } from '../../engine/machine/suspension';
import { DriverError } from '../errors';
import type { MachineContext } from './machine-context';
import { startMachine } from './start';

/** A guest that is still booting doesn't hear the power button, so it is pressed again until it goes. */
const PRESS_EVERY_MS = 10_000;
const PRESSES = 9;

/**
 * Shuts the guest down by its power button and waits for it: containers stop and file systems are written. One that is
 * suspended is resumed for that. Never pulls the plug by itself.
 * @throws DriverError HK_STOP_TIMEOUT when the guest doesn't go.
 */
export async function stopMachine(context: MachineContext): Promise<void> {
  const { directory } = context.paths;
  const status = await readMachineStatus(directory);
  if (status.state === 'stopped') {
    if (status.suspended !== true) return;
    await startMachine(context);
  }
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

/** Pulls the plug. What a suspended machine would have gone on from is gone then, too. */
export async function killRunningMachine({ paths }: MachineContext): Promise<void> {
  await killMachine(paths.directory);
  if (isSuspended(paths.directory)) await dropSuspension(paths.directory);
}
