import { EngineError } from '../../errors';
import type { AcceleratorChoice } from '../../spec/vm-spec';
import { VcpuWorkers } from '../../vmm/vcpu/vcpu-workers';
import { findKvmTrouble } from '../accelerator';
import type { Cable, Hypervisor, ProbeResult } from '../hypervisor';
import type { Surroundings } from '../surroundings';
import { boardOfMachine } from './board-of-machine';
import { connectInput } from './connect-input';
import { NativeVm } from './native-vm';

/** Above QEMU's with KVM: it starts faster, and needs nothing installed. */
const RANK = 120;

/** Our own virtual machine monitor, in this process, on /dev/kvm. */
export function createNativeHypervisor({ machineProgram, signal, log }: Surroundings): Hypervisor {
  const probed = new Map<AcceleratorChoice, Promise<ProbeResult>>();
  return {
    name: 'native',
    inProcess: true,
    async probe({ accelerator }) {
      const result = probed.get(accelerator) ?? probeNative(accelerator, machineProgram);
      probed.set(accelerator, result);
      return await result;
    },
    async start(spec, { console, cable }) {
      if (cable === undefined) {
        throw new EngineError('HK_HYPERVISOR_FAILED', `cannot start machine "${spec.name}": it has no network`);
      }
      // They load while this thread does.
      const workers = new VcpuWorkers(spec.vcpus);
      const { startBoard, attachments } = await prepare(cable, workers);
      const board = await startBoard(boardOfMachine(spec, cable.mtu), {
        ...attachments,
        workers,
        com1: console,
        com2: undefined,
        log: (line) => log?.(line),
      });
      if (signal?.aborted) {
        await board.kill();
        throw signal.reason as Error;
      }
      connectInput(board, 'com1', console);
      return new NativeVm(board);
    },
  };
}

/** @throws whatever goes wrong; the threads are told to end then. */
async function prepare(cable: Cable, workers: VcpuWorkers) {
  try {
    const { startBoard } = await import('../../vmm/board/start-board');
    const { nic, reactor } = await cable.openNic();
    return { startBoard, attachments: { nics: [nic], reactor } };
  } catch (error) {
    workers.stop();
    throw error;
  }
}

/** Can it run guests here, and fast? Never throws. */
async function probeNative(choice: AcceleratorChoice, machineProgram: string): Promise<ProbeResult> {
  if (choice !== 'auto' && choice !== 'kvm') {
    return { usable: false, reason: 'the native engine runs on KVM only; use the accelerator auto or kvm' };
  }
  const trouble = await findKvmTrouble(machineProgram);
  if (trouble !== undefined) return { usable: false, reason: `${trouble.reason}${trouble.mend}` };
  try {
    const { findMissingCapabilities } = await import('../../vmm/kvm/capabilities');
    const missing = findMissingCapabilities();
    if (missing.length === 0) return { usable: true, summary: 'native, KVM', rank: RANK };
    return { usable: false, reason: `KVM: it has no ${missing.join(', ')}; use Linux 4.14 or newer` };
  } catch (error) {
    return { usable: false, reason: `KVM: ${(error as Error).message}` };
  }
}
