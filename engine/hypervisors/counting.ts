import type { RunningVm } from './hypervisor';

/** A virtual machine that counts how often its CPUs left the guest. */
export interface CountingVm extends RunningVm {
  /** For each CPU, by reason. */
  exitCounts(): ReadonlyArray<Readonly<Record<string, number>>>;
}

export function isCounting(vm: RunningVm): vm is CountingVm {
  return 'exitCounts' in vm;
}
