import { createHash } from 'node:crypto';
import type { VmSpec } from '../../spec/vm-spec';
import { type QemuAccelerator, qemuArguments } from './arguments';

/** A machine of no names, addresses and paths; its size and its MTU are told elsewhere. */
const ANY_MACHINE: VmSpec = {
  name: '',
  stateDir: '',
  uuid: '',
  vcpus: 1,
  memoryMiB: 1,
  boot: { kernel: '', initrd: '', commandLine: '' },
  disks: [{ path: '', readOnly: false }],
  cdroms: [''],
  network: { bindAddress: '', forwards: [], macAddress: '', hostname: '' },
  hypervisor: 'qemu',
  accelerator: 'auto',
};

/**
 * Tells boards apart: another text when what QEMU is told of the devices of a guest with one disk and one CD-ROM has
 * changed. A state that was saved on one board can't be read on another.
 */
export function boardDigest(accelerator: QemuAccelerator, devices: 'booted' | 'restored'): string {
  const warm = { memory: undefined, role: 'copy', generation: '' } as const;
  const host = { accelerator, sandbox: false, nicMtu: 0, ...(devices === 'restored' && { warm }) };
  return createHash('sha256')
    .update(JSON.stringify(qemuArguments(ANY_MACHINE, host)))
    .digest('hex')
    .slice(0, 16);
}
