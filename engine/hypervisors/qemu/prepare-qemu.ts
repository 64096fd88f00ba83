import type { AcceleratorChoice, VmSpec } from '../../spec/vm-spec';
import { chooseAccelerator } from '../accelerator';
import type { Surroundings } from '../surroundings';
import type { QemuAccelerator } from './arguments';
import { findQemu } from './find-qemu';
import { inspectQemu, type QemuBuild } from './qemu-build';

/** What of QEMU is here and how it will run guests. */
export type QemuPreparation = UsableQemu | { readonly usable: false; readonly reason: string };

export interface UsableQemu {
  readonly usable: true;
  readonly build: QemuBuild;
  readonly accelerator: QemuAccelerator;
  readonly note: string;
}

/** What there is for a machine. @throws EngineError HK_NO_HYPERVISOR */
export type RequireQemu = (spec: Pick<VmSpec, 'name' | 'accelerator'>) => Promise<UsableQemu>;

/** Finds QEMU, looks at it, and decides how it runs guests. Never throws. */
export async function prepareQemu(
  choice: AcceleratorChoice,
  surroundings: Pick<Surroundings, 'machineProgram'>,
): Promise<QemuPreparation> {
  const qemu = findQemu();
  if (!qemu.found) return { usable: false, reason: `QEMU: ${qemu.reason}` };
  const [inspected, decision] = await Promise.all([
    inspectQemu(qemu.program),
    chooseAccelerator(choice, surroundings.machineProgram),
  ]);
  if (!inspected.usable) return { usable: false, reason: `QEMU: ${inspected.reason}` };
  if (!decision.usable) return decision;
  return { usable: true, build: inspected.build, accelerator: decision.accelerator, note: decision.note };
}
