import type { Logger } from '../contract/logger';
import type { MachineStore } from '../store/machine-store';

/** What a call fails with is its error. */
export const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** The store as one call sees it. */
export async function openStore(path: string, logger = SILENT): Promise<MachineStore> {
  const [{ MachineStore }, { findPackagedProgram }, { dirname }] = await Promise.all([
    import('../store/machine-store'),
    import('../../engine/packaged-program'),
    import('node:path'),
  ]);
  const programsDir = dirname(findPackagedProgram('hyperkit-machine'));
  return new MachineStore({ path, programsDir, loggerOf: () => logger });
}
