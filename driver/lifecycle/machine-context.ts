import path from 'node:path';
import type { DriverConfig } from '../config/driver-config';
import type { MachinePaths } from '../config/machine-paths';
import type { Logger } from '../contract/logger';

/** What every operation on one machine works with. */
export interface MachineContext {
  readonly logger: Logger;
  /** Folder of the built programs. */
  readonly programsDir: string;
  /** Operations write back what they chose (address, port, UUID); the client saves it when they succeed. */
  readonly config: DriverConfig;
  readonly paths: MachinePaths;
  /** The caller holds the machine's lock already. */
  readonly isLocked: boolean;
  /** Aborted when the client is gone or the user pressed Ctrl-C: undo and return soon. */
  readonly signal: AbortSignal;
}

/** The program that runs one virtual machine, detached. */
export function machineProgram(context: Pick<MachineContext, 'programsDir'>): string {
  return path.join(context.programsDir, 'hyperkit-machine.cjs');
}
