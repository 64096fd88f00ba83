import { isSameProcess } from './process-identity';
import { type LastExit, type LiveMachine, readRuntimeState } from './runtime-state';
import { isSuspended } from './suspension';

export type { HostPort, LastExit, LiveMachine } from './runtime-state';

export interface StoppedMachine {
  readonly state: 'stopped';
  /** Absent when the machine never ran. */
  readonly lastExit?: LastExit;
  /** It goes on from where it was; absent: it boots. */
  readonly suspended?: true;
}

export type MachineStatus = LiveMachine | StoppedMachine;

/**
 * What the machine in `stateDir` is doing, from its files and the process table (a few milliseconds).
 * Never throws: files that are missing, stale, cut short or hostile mean `stopped`.
 */
export async function readMachineStatus(stateDir: string): Promise<MachineStatus> {
  const status = await readProcessStatus(stateDir);
  return status.state === 'stopped' && isSuspended(stateDir) ? { ...status, suspended: true } : status;
}

async function readProcessStatus(stateDir: string): Promise<MachineStatus> {
  const state = readRuntimeState(stateDir);
  if (!state) return { state: 'stopped' };
  if (state.state === 'stopped') return state;
  const { bootId: _bootId, children: _children, ...machine } = state;
  if (await isSameProcess(state)) return machine;
  // The process may have written its last words and ended between the two looks.
  const again = readRuntimeState(stateDir);
  if (again?.state === 'stopped') return again;
  const detail = 'the machine process ended without writing down why (killed, or this computer was restarted)';
  return { state: 'stopped', lastExit: { kind: 'failed', detail } };
}

/** One line for people. */
export function describeExit(lastExit: LastExit | undefined): string {
  const when = lastExit?.at === undefined ? '' : ` at ${lastExit.at}`;
  switch (lastExit?.kind) {
    case undefined:
      return 'the virtual machine is not running';
    case 'power-off':
      return `the guest powered itself off${when}`;
    case 'reset':
      return `the guest asked for a reset and was not started again${when}`;
    case 'killed':
      return `the virtual machine was ended by a command${when}`;
    case 'suspended':
      return `the virtual machine was suspended${when}`;
    case 'failed':
      return `the virtual machine failed${when}: ${lastExit.detail}`;
  }
}
