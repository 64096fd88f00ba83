import { closeSync, openSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../../errors';
import type { VmSpec } from '../../spec/vm-spec';
import { isDiskFull } from '../../storage/write-failure';
import type { Attachments } from '../hypervisor';
import { IdentityChannel } from '../identity-channel';
import type { Surroundings } from '../surroundings';
import {
  type GuestIdentity,
  type IdentityFacts,
  type RestoredVm,
  SAVED_DEVICES,
  SAVED_MEMORY,
  type SavedGuest,
  type WarmStarts,
} from '../warm-starts';
import { SAVED_FD } from './arguments';
import { boardDigest } from './board-digest';
import { hostCpuFeatures } from './host-cpu-features';
import type { RequireQemu, UsableQemu } from './prepare-qemu';
import { type QemuVm, startQemuVm } from './qemu-vm';
import { receiveState, synced } from './state-stream';
import { guestCpu } from './suspension-traits';
import { within } from './within';

/** A VM generation ID for templates: each copy has one of its own. */
const NO_GENERATION = '00000000-0000-0000-0000-000000000000';

/**
 * Saved guests under QEMU: their memory is a file, of which each copy has a private mapping, so that copies share what
 * none of them has changed; the state of everything else is QEMU's migration stream.
 */
export function createWarmQemu(requireQemu: RequireQemu, surroundings: Surroundings): WarmStarts {
  return {
    async fingerprint({ accelerator: choice }) {
      const { build, accelerator } = await requireQemu({ name: 'of a warm image', accelerator: choice });
      const { size, mtimeMs } = statSync(build.program);
      const program = `${build.program} ${size} ${mtimeMs}`;
      const board = boardDigest(accelerator, 'restored');
      const cpu = guestCpu(accelerator);
      const features = accelerator === 'kvm' && { cpuFeatures: hostCpuFeatures() };
      return { engine: `qemu ${build.version}`, program, accelerator, board, cpu, ...features };
    },

    async save(spec, attachments, { folder, deadlineMs }) {
      requireCable(attachments);
      const qemu = await requireQemu(spec);
      const memory = path.join(folder, SAVED_MEMORY);
      writeFileSync(memory, '', { mode: 0o600, flag: 'wx' });
      truncateSync(memory, spec.memoryMiB * 1024 * 1024);
      const guest = { memory, role: 'template', generation: NO_GENERATION } as const;
      const vm = await startQemuVm(spec, attachments, qemu, surroundings, { guest });
      try {
        const ended = vm.exited.then(({ kind }) => Promise.reject(new Error(`the guest ended: ${kind}`)));
        const saved = quietAndSaved(vm, path.join(folder, SAVED_DEVICES));
        const work = Promise.race([saved, ended, abortOf(surroundings.signal)]);
        await within(deadlineMs, 'it did not become quiet', work);
      } catch (cause) {
        surroundings.signal?.throwIfAborted();
        const text = `cannot save machine "${spec.name}": ${(cause as Error).message}`;
        throw new EngineError('HK_HYPERVISOR_FAILED', text, { cause });
      } finally {
        await vm.kill();
      }
      await synced(memory);
    },

    async restore(spec, attachments, saved, identity) {
      try {
        requireCable(attachments);
        return await restoreCopy(spec, attachments, await requireQemu(spec), surroundings, saved, identity);
      } catch (cause) {
        surroundings.signal?.throwIfAborted();
        const text = `cannot restore machine "${spec.name}" from ${saved.folder}: ${(cause as Error).message}`;
        const code = isDiskFull((cause as Error).cause) ? 'HK_DISK_FAILED' : 'HK_RESTORE_FAILED';
        throw new EngineError(code, text, { cause });
      }
    },
  };
}

async function restoreCopy(
  spec: VmSpec,
  attachments: Attachments,
  qemu: UsableQemu,
  surroundings: Surroundings,
  { folder, deadlineMs }: SavedGuest,
  identity: GuestIdentity,
): Promise<RestoredVm> {
  let facts: IdentityFacts = new Map();
  const enter = async (vm: QemuVm): Promise<void> => {
    const channel = identityChannel(vm);
    const become = async (): Promise<void> => {
      await vm.receiveState(SAVED_FD, 'without memory');
      await vm.resume();
      facts = await channel.impart(identity);
    };
    await within(deadlineMs, 'it took too long', Promise.race([become(), haltOf(vm)]));
  };
  const guest = { memory: path.join(folder, SAVED_MEMORY), role: 'copy', generation: identity.generation } as const;
  const savedFd = openSync(path.join(folder, SAVED_DEVICES), 'r');
  try {
    const vm = await startQemuVm(spec, attachments, qemu, surroundings, { guest, savedFd, enter });
    for (const end of vm.channels) end.destroy();
    return { vm, facts };
  } finally {
    closeSync(savedFd);
  }
}

async function quietAndSaved(vm: QemuVm, file: string): Promise<void> {
  await identityChannel(vm).quiet();
  await receiveState(file, (socket) => vm.sendState(socket, 'without memory'));
}

function identityChannel(vm: QemuVm): IdentityChannel {
  const [port] = vm.channels;
  if (port === undefined) throw new Error('QEMU was started without the channel');
  return new IdentityChannel(port);
}

function requireCable({ cable }: Attachments): void {
  if (cable === undefined) throw new Error("only guests in a network of ours can be saved, not those in QEMU's own");
}

/** Rejects when the guest is halted because nothing more can be written to its disk: no fault of what it was saved in. */
async function haltOf(vm: QemuVm): Promise<never> {
  return await new Promise((_resolve, reject) => {
    vm.onRunState(({ notice }) => {
      if (notice !== undefined)
        reject(Object.assign(new Error('the disk of this computer is full'), { code: 'ENOSPC' }));
    });
  });
}

/** Rejects with the signal's reason. */
async function abortOf(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
