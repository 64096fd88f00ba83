import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { EngineError } from '../../errors';
import type { VmSpec } from '../../spec/vm-spec';
import type { Attachments } from '../hypervisor';
import type { Surroundings } from '../surroundings';
import { describeChange, type ResumingHypervisor, type SuspendedGuest } from '../suspendable';
import { SAVED_FD } from './arguments';
import type { RequireQemu, UsableQemu } from './prepare-qemu';
import { type QemuVm, startQemuVm } from './qemu-vm';
import { traitsOf } from './suspension-traits';
import { within } from './within';

/** Guests of a QEMU that has ended go on in a new one. */
export function createQemuResume(requireQemu: RequireQemu, surroundings: Surroundings): ResumingHypervisor['resume'] {
  return async (spec, attachments, suspended) => {
    try {
      return await resumeQemu(spec, attachments, await requireQemu(spec), surroundings, suspended);
    } catch (cause) {
      surroundings.signal?.throwIfAborted();
      const text = `cannot resume machine "${spec.name}": ${(cause as Error).message}`;
      throw new EngineError('HK_RESUME_FAILED', text, { cause });
    }
  };
}

async function resumeQemu(
  spec: VmSpec,
  attachments: Attachments,
  qemu: UsableQemu,
  surroundings: Surroundings,
  { file, traits, deadlineMs, taken }: SuspendedGuest,
): Promise<QemuVm> {
  const devices = traits.devices === 'restored' ? 'restored' : 'booted';
  const change = describeChange(traits, traitsOf(qemu, devices, attachments.cable?.mtu ?? 0));
  if (change !== undefined) throw new Error(change);
  const enter = async (vm: QemuVm): Promise<void> => {
    await within(deadlineMs, 'QEMU takes too long to read it', vm.receiveState(SAVED_FD, 'with memory'));
    await taken();
    await vm.resume();
  };
  const savedFd = openSync(file, 'r');
  try {
    const guest = { memory: undefined, role: 'copy', generation: randomUUID() } as const;
    const vm = await startQemuVm(spec, attachments, qemu, surroundings, {
      ...(devices === 'restored' && { guest }),
      savedFd,
      enter,
    });
    for (const end of vm.channels) end.destroy();
    return vm;
  } finally {
    closeSync(savedFd);
  }
}
