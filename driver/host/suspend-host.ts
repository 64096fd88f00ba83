import { EngineError, type EngineErrorCode } from '../../engine/errors';
import { ENGINE_FAULTS } from '../../engine/grpc/fault';
import { waitForExit } from '../../engine/machine/control';
import { connectMachine } from '../../engine/machine/grpc/connect-machine';
import { MachineState } from '../contract/machine-driver';
import { DriverError } from '../errors';
import { openSshConnection } from '../ssh/open-connection';
import { targetOfMachine } from '../ssh/ssh-target';
import type { StoredMachine } from '../store/stored-machine';
import { stateName } from './machine-state';

/** The machine process has a deadline of its own, a little shorter. */
const SUSPEND_MS = 16 * 60_000;
const EXIT_MS = 20_000;
const LOGIN_MS = 10_000;
const SYNC_MS = 30_000;

/**
 * Saves a running machine as it is, and ends it; its next start goes on from there.
 * @throws DriverError HK_MACHINE_STATE when it doesn't run; EngineError HK_REQUEST_UNSUPPORTED when its hypervisor can't do
 * it, HK_SUSPEND_FAILED: it runs on in both cases
 */
export async function suspendHost(machine: StoredMachine, signal: AbortSignal): Promise<void> {
  const driver = machine.requireDriver();
  await machine.withLock(`hyperkit suspend ${machine.name}`, async () => {
    const state = await driver.getState();
    if (state === MachineState.Saved) throw wrongState(machine, 'already suspended');
    if (state !== MachineState.Running) throw wrongState(machine, `${stateName(state).toLowerCase()}, not running`);
    await syncGuest(machine, signal);
    await askToSuspend(machine, signal);
    if (await waitForExit(machine.folder, EXIT_MS)) return;
    throw new EngineError('HK_MACHINE_TIMEOUT', `machine "${machine.name}" is suspended, but its process does not end`);
  });
}

/** So that nothing that was written before is lost with what was saved. Best effort: what was saved has it, too. */
async function syncGuest(machine: StoredMachine, signal: AbortSignal): Promise<void> {
  try {
    const target = await targetOfMachine(machine.requireDriver());
    const connection = await openSshConnection(target, { deadlineMs: LOGIN_MS, signal });
    try {
      await connection.run('sync', { deadlineMs: SYNC_MS });
    } finally {
      connection.close();
    }
  } catch {
    signal.throwIfAborted();
  }
}

async function askToSuspend({ name, folder }: StoredMachine, signal: AbortSignal): Promise<void> {
  const connection = connectMachine(folder);
  try {
    await connection.control.suspend({}, { timeoutMs: SUSPEND_MS, signal });
  } catch (cause) {
    signal.throwIfAborted();
    const { code, message } = cause as { readonly code: string; readonly message: string };
    if (Object.hasOwn(ENGINE_FAULTS, code)) throw new EngineError(code as EngineErrorCode, message, { cause });
    throw new EngineError('HK_SUSPEND_FAILED', `cannot suspend machine "${name}": ${message}`, { cause });
  } finally {
    connection.close();
  }
}

function wrongState({ name }: StoredMachine, what: string): DriverError {
  return new DriverError('HK_MACHINE_STATE', `machine "${name}" is ${what}`);
}
