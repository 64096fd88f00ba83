import { EngineError } from '../../errors';
import type { AcceleratorChoice, VmSpec } from '../../spec/vm-spec';
import type { Hypervisor } from '../hypervisor';
import type { Surroundings } from '../surroundings';
import type { ResumingHypervisor } from '../suspendable';
import type { WarmHypervisor } from '../warm-starts';
import type { QemuAccelerator } from './arguments';
import { checkPorts } from './check-ports';
import { prepareQemu, type QemuPreparation, type UsableQemu } from './prepare-qemu';
import { startQemuVm } from './qemu-vm';
import { createQemuResume } from './resume-qemu';
import { createWarmQemu } from './warm-qemu';

const RANKS: Readonly<Record<QemuAccelerator, number>> = { kvm: 110, hvf: 110, tcg: 10 };

/** QEMU as a child process, controlled over QMP. */
export function createQemuHypervisor(surroundings: Surroundings): Hypervisor | (WarmHypervisor & ResumingHypervisor) {
  const prepared = new Map<AcceleratorChoice, Promise<QemuPreparation>>();

  /** Once per process and choice: a guest that resets starts again with what was found first. */
  const prepare = async (choice: AcceleratorChoice): Promise<QemuPreparation> => {
    const preparation = prepared.get(choice) ?? prepareQemu(choice, surroundings);
    prepared.set(choice, preparation);
    return await preparation;
  };

  const requireQemu = async ({ name, accelerator }: Pick<VmSpec, 'name' | 'accelerator'>): Promise<UsableQemu> => {
    const preparation = await prepare(accelerator);
    if (preparation.usable) return preparation;
    throw new EngineError('HK_NO_HYPERVISOR', `cannot start machine "${name}": ${preparation.reason}`);
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
      const qemu = await requireQemu(spec);
      if (attachments.cable === undefined) await checkPorts(spec.network);
      return await startQemuVm(spec, attachments, qemu, surroundings);
    },
    // Elsewhere there is no network of ours, and QEMU's own can't be restored into another one's ports.
    ...(process.platform === 'linux' && {
      warm: createWarmQemu(requireQemu, surroundings),
      resume: createQemuResume(requireQemu, surroundings),
    }),
  };
}
