import type { RunningVm } from './hypervisor';

/** A virtual machine whose console can be typed into. */
export interface ConsoleVm extends RunningVm {
  /** Answers how many bytes were taken; the rest is for later, when the guest has read. */
  typeIn(bytes: Uint8Array): number;
}

export function hasConsole(vm: RunningVm): vm is ConsoleVm {
  return 'typeIn' in vm;
}
