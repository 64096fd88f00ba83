import type { RunningVm } from './hypervisor';

/** Whether the guest's CPUs run, and if they were stopped by something other than us, by what. */
export interface RunState {
  readonly paused: boolean;
  readonly notice?: string;
}

/** A virtual machine whose CPUs can be stopped and started again. */
export interface PausableVm extends RunningVm {
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Calls `listener` at every change. */
  onRunState(listener: (state: RunState) => void): void;
}

export function isPausable(vm: RunningVm): vm is PausableVm {
  return 'pause' in vm && 'resume' in vm && 'onRunState' in vm;
}
