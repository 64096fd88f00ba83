import type { ConsoleTap } from './console-tap';
import type { MachineNetwork } from './machine-network';
import type { StateKeeper } from './state-keeper';
import type { VmControls } from './vm-controls';

/** What of a machine can be seen and changed from outside while its process lives. */
export interface ControlSurface {
  readonly name: string;
  readonly stateDir: string;
  readonly keeper: StateKeeper;
  readonly controls: VmControls;
  readonly console: ConsoleTap;
  /** Undefined: the hypervisor's own. */
  readonly network: MachineNetwork | undefined;
  readonly log: (line: string) => void;
}
