import { MachineState } from '../contract/machine-driver';
import { DriverError } from '../errors';
import type { SshConnection } from '../ssh/ssh-connection';
import { targetOfMachine } from '../ssh/ssh-target';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';

/** A machine that runs is a few hundred milliseconds from a login, one that has just been started some more. */
const LOGIN_MS = 30_000;

/**
 * The machine of that name, running.
 * @param doing what can't be done otherwise, in docker-machine's words: `Cannot run SSH command`
 * @throws DriverError HK_MACHINE_UNKNOWN, HK_CONFIG_INVALID, HK_FOREIGN_DRIVER, HK_HOST_NOT_RUNNING
 */
export async function requireRunning(
  { store }: { readonly store: MachineStore },
  name: string,
  doing: string,
): Promise<StoredMachine> {
  const machine = await store.load(name);
  if ((await machine.requireDriver().getState()) === MachineState.Running) return machine;
  const text = `${doing}: Host "${name}" is not running; "hyperkit start ${name}" starts it`;
  throw new DriverError('HK_HOST_NOT_RUNNING', text);
}

/** Logs in to a machine. @throws DriverError HK_SSH_KEY_UNUSABLE, HK_SSH_DENIED, HK_SSH_UNREACHABLE */
export async function logIn(
  machine: StoredMachine,
  { signal }: { readonly signal: AbortSignal },
): Promise<SshConnection> {
  const { openSshConnection } = await import('../ssh/open-connection');
  return await openSshConnection(await targetOfMachine(machine.requireDriver()), { deadlineMs: LOGIN_MS, signal });
}
