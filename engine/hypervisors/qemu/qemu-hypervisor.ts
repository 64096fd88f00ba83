import { EngineError } from '../../errors';
import type { AcceleratorChoice } from '../../spec/vm-spec';
import { chooseAccelerator } from '../accelerator';
import type { Hypervisor } from '../hypervisor';
import type { Surroundings } from '../surroundings';
import type { QemuAccelerator } from './arguments';
import { checkPorts } from './check-ports';
import { findQemu } from './find-qemu';
import { inspectQemu, type QemuBuild } from './qemu-build';
import { startQemuVm } from './qemu-vm';

const RANKS: Readonly<Record<QemuAccelerator, number>> = { kvm: 110, hvf: 110, tcg: 10 };

/** What of QEMU is here and how it will run guests. */
export type QemuPreparation =
  | { readonly usable: true; readonly build: QemuBuild; readonly accelerator: QemuAccelerator; readonly note: string }
  | { readonly usable: false; readonly reason: string };

/** QEMU as a child process, controlled over QMP. */
export function createQemuHypervisor(surroundings: Surroundings): Hypervisor {
  const prepared = new Map<AcceleratorChoice, Promise<QemuPreparation>>();

  /** Once per process and choice: a guest that resets starts again with what was found first. */
  const prepare = async (choice: AcceleratorChoice): Promise<QemuPreparation> => {
    const preparation = prepared.get(choice) ?? prepareQemu(choice, surroundings);
    prepared.set(choice, preparation);
    return await preparation;
  };

  return {
    name: 'qemu',
    inProcess: false,
    async probe({ accelerator: choice }) {
      const preparation = await prepare(choice);
      if (!preparation.usable) return preparation;
      const { build, accelerator, note } = preparation;
      return { usable: true, summary: `QEMU ${build.version}, ${note}`, rank: RANKS[accelerator] };
    },
    async start(spec, attachments) {
      const preparation = await prepare(spec.accelerator);
      if (!preparation.usable)
        throw new EngineError('HK_NO_HYPERVISOR', `cannot start machine "${spec.name}": ${preparation.reason}`);
      if (attachments.cable === undefined) await checkPorts(spec.network);
      return await startQemuVm(spec, attachments, preparation.build, preparation.accelerator, surroundings);
    },
  };
}

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
