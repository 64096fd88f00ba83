import { MachineState } from '../contract/machine-driver';

const NAMES: Readonly<Record<MachineState, string>> = {
  [MachineState.None]: '',
  [MachineState.Running]: 'Running',
  [MachineState.Paused]: 'Paused',
  [MachineState.Saved]: 'Saved',
  [MachineState.Stopped]: 'Stopped',
  [MachineState.Stopping]: 'Stopping',
  [MachineState.Starting]: 'Starting',
  [MachineState.Error]: 'Error',
  [MachineState.Timeout]: 'Timeout',
};

/** docker-machine's word for a state. */
export function stateName(state: MachineState): string {
  return NAMES[state];
}
