import os from 'node:os';
import type { SuspensionTraits } from '../suspendable';
import type { QemuAccelerator } from './arguments';
import type { UsableQemu } from './prepare-qemu';

/** To be raised when what QEMU is told of a guest's devices changes. */
const LAYOUT = '1';

/** What of QEMU a saved guest depends on. Within one minor version QEMU keeps its board, and its way to save it, as they are. */
export function traitsOf(
  { build, accelerator }: Pick<UsableQemu, 'build' | 'accelerator'>,
  devices: 'booted' | 'restored',
  mtu: number,
): SuspensionTraits {
  return {
    hypervisor: 'qemu',
    version: build.version.split('.').slice(0, 2).join('.'),
    accelerator,
    cpu: guestCpu(accelerator),
    layout: LAYOUT,
    devices,
    mtu: String(mtu),
  };
}

/** The CPU that a guest sees. */
export function guestCpu(accelerator: QemuAccelerator): string {
  return accelerator === 'tcg' ? 'emulated' : (os.cpus()[0]?.model ?? 'unknown');
}
