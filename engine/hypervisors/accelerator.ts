import { execFile } from 'node:child_process';
import type { AcceleratorChoice } from '../spec/vm-spec';
import { type KvmFinding, measureKvmSpeed } from './kvm-speed';

/** How guest code will be executed, and why not otherwise. */
export type AcceleratorDecision =
  | { readonly usable: true; readonly accelerator: 'kvm' | 'hvf' | 'tcg'; readonly note: string }
  | { readonly usable: false; readonly reason: string };

/**
 * Below this a stock kernel does not boot in useful time. Emulation in user space (TCG) reaches some 200 to 1000 million
 * instructions per second, a CPU thousands; KVM inside a paravirtual guest interprets privileged code at about 2.
 */
const USABLE_INSTRUCTIONS_PER_SECOND = 50_000_000;

/** Decides by running, not by looking. Never throws. `machineProgram` is started to measure KVM. */
export async function chooseAccelerator(
  choice: AcceleratorChoice,
  machineProgram: string,
): Promise<AcceleratorDecision> {
  switch (choice) {
    case 'tcg':
      return { usable: true, accelerator: 'tcg', note: 'TCG' };
    case 'kvm': {
      const trouble = await findKvmTrouble(machineProgram);
      return trouble === undefined
        ? kvm
        : { usable: false, reason: `${trouble.reason}${trouble.mend}; or use the accelerator auto or tcg` };
    }
    case 'hvf':
      return (await hasHvf())
        ? hvf
        : { usable: false, reason: 'HVF: needs an Intel Mac; use the accelerator auto or tcg' };
    case 'auto': {
      if (process.platform === 'darwin') {
        return (await hasHvf()) ? hvf : { usable: true, accelerator: 'tcg', note: 'TCG (HVF: needs an Intel Mac)' };
      }
      const trouble = await findKvmTrouble(machineProgram);
      return trouble === undefined
        ? kvm
        : { usable: true, accelerator: 'tcg', note: `TCG (${trouble.reason}${trouble.mend})` };
    }
  }
}

const kvm: AcceleratorDecision = { usable: true, accelerator: 'kvm', note: 'KVM' };
const hvf: AcceleratorDecision = { usable: true, accelerator: 'hvf', note: 'HVF' };

/** Why KVM can't run kernels on this computer, and what to do about it; undefined when it can. Never throws. */
export async function findKvmTrouble(
  machineProgram: string,
): Promise<{ readonly reason: string; readonly mend: string } | undefined> {
  if (process.platform !== 'linux') return { reason: 'KVM: only on Linux', mend: '' };
  if (process.arch !== 'x64') return { reason: 'KVM: this computer has no x86-64 CPU', mend: '' };
  return describeKvmTrouble(await measureKvmSpeed(machineProgram));
}

/** What is wrong with KVM and what to do about it; undefined when nothing is. */
export function describeKvmTrouble(finding: KvmFinding): { reason: string; mend: string } | undefined {
  switch (finding.kind) {
    case 'runs': {
      if (finding.instructionsPerSecond >= USABLE_INSTRUCTIONS_PER_SECOND) return undefined;
      const mips = (finding.instructionsPerSecond / 1e6).toFixed(1);
      return { reason: `KVM: ${mips} MIPS, too slow for a kernel`, mend: '' };
    }
    case 'hangs':
      return { reason: `KVM: ${finding.detail}`, mend: '' };
    case 'refused':
      return describeRefusal(finding.call, finding.errno);
  }
}

function describeRefusal(call: string, errno: string): { reason: string; mend: string } {
  switch (errno) {
    case 'ENOENT':
      return {
        reason: 'KVM: there is no /dev/kvm',
        mend: '; enable virtualisation in the firmware and load kvm_intel or kvm_amd',
      };
    case 'EACCES':
    case 'EPERM':
      return {
        reason: 'KVM: /dev/kvm is not open to this user',
        mend: '; run "sudo usermod -aG kvm $USER" and log in again',
      };
    case 'ENODEV':
    case 'ENXIO':
      return { reason: 'KVM: the CPU does not offer virtualisation', mend: '; enable it in the firmware' };
    case 'EBUSY':
      return { reason: 'KVM: another hypervisor holds the CPU', mend: '; stop it, VirtualBox for example' };
    case 'ENOTTY':
      return { reason: 'KVM: /dev/kvm is something else', mend: '' };
    default:
      return { reason: `KVM: ${call} fails with ${errno}`, mend: '' };
  }
}

/** Hypervisor.framework runs guests of the host's own architecture. */
async function hasHvf(): Promise<boolean> {
  if (process.platform !== 'darwin' || process.arch !== 'x64') return false;
  return await new Promise((resolve) => {
    execFile('/usr/sbin/sysctl', ['-n', 'kern.hv_support'], { timeout: 2000 }, (error, stdout) => {
      resolve(error === null && stdout.trim() === '1');
    });
  });
}
