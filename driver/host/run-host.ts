import { MachineState } from '../contract/machine-driver';
import { untilAborted } from '../contract/until-aborted';
import { dockerTarget, waitForDocker } from '../docker/docker-client';
import { DriverError } from '../errors';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';
import { readAuthPaths } from './host-options';
import { stateName } from './machine-state';

/** dockerd's start under emulation on a busy host took a minute. */
const DOCKER_DEADLINE_MS = 240_000;

/** What a verb that changes a machine's state works with. */
export interface RunOptions {
  readonly signal: AbortSignal;
  /** The machine runs, its Docker is waited for. */
  readonly onBooted: () => void;
}

/** Starts a stopped machine and waits for its Docker. @throws DriverError HK_MACHINE_STATE when it runs already */
export async function startHost(store: MachineStore, machine: StoredMachine, options: RunOptions): Promise<void> {
  const driver = machine.requireDriver();
  await machine.withLock(`hyperkit start ${machine.name}`, async () => {
    await refuseState(machine, MachineState.Running, 'running');
    await untilAborted(driver, options.signal, () => driver.start());
    await machine.save();
    options.onBooted();
    await dockerAnswers(store, machine, options.signal);
  });
}

/**
 * Lets a suspended machine go on and waits for its Docker; one that runs is left alone.
 * @throws DriverError HK_MACHINE_STATE when there is nothing to go on from; EngineError HK_RESUME_FAILED
 */
export async function resumeHost(store: MachineStore, machine: StoredMachine, options: RunOptions): Promise<void> {
  const state = await machine.requireDriver().getState();
  if (state === MachineState.Running) return;
  if (state !== MachineState.Saved) {
    const text = `machine "${machine.name}" is ${stateName(state).toLowerCase()}, not suspended; "hyperkit start" boots it`;
    throw new DriverError('HK_MACHINE_STATE', text);
  }
  await startHost(store, machine, options);
}

/** Shuts a machine's guest down, waits for it and starts it again; one that is stopped is just started. */
export async function restartHost(store: MachineStore, machine: StoredMachine, options: RunOptions): Promise<void> {
  const driver = machine.requireDriver();
  await machine.withLock(`hyperkit restart ${machine.name}`, async () => {
    await untilAborted(driver, options.signal, () => driver.restart());
    await machine.save();
    options.onBooted();
    await dockerAnswers(store, machine, options.signal);
  });
}

/** Shuts a machine's guest down by its power button. @throws DriverError HK_MACHINE_STATE when it is stopped */
export async function stopHost(machine: StoredMachine, signal: AbortSignal): Promise<void> {
  const driver = machine.requireDriver();
  await machine.withLock(`hyperkit stop ${machine.name}`, async () => {
    await refuseState(machine, MachineState.Stopped, 'stopped');
    await untilAborted(driver, signal, () => driver.stop());
    await machine.save();
  });
}

/**
 * Pulls a machine's plug. Takes no lock: it is what helps when another command hangs.
 * @throws DriverError HK_MACHINE_STATE when it is stopped
 */
export async function killHost(machine: StoredMachine): Promise<void> {
  await refuseState(machine, MachineState.Stopped, 'stopped');
  await machine.requireDriver().kill();
  await machine.save();
}

/** Waits until the Docker of a running machine answers over TLS. */
export async function dockerAnswers(store: MachineStore, machine: StoredMachine, signal: AbortSignal): Promise<void> {
  const paths = readAuthPaths(machine.document, store.path, machine.folder);
  const url = await machine.requireDriver().getURL();
  await waitForDocker(dockerTarget(url, paths), DOCKER_DEADLINE_MS, signal);
}

async function refuseState(machine: StoredMachine, state: MachineState, word: string): Promise<void> {
  if ((await machine.requireDriver().getState()) !== state) return;
  throw new DriverError('HK_MACHINE_STATE', `machine "${machine.name}" is already ${word}`);
}
