import {
  KVM_API_VERSION,
  KVM_CAP_EXT_CPUID,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_IOEVENTFD,
  KVM_CAP_IOEVENTFD_ANY_LENGTH,
  KVM_CAP_IRQCHIP,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_MP_STATE,
  KVM_CAP_PIT2,
  KVM_CAP_READONLY_MEM,
  KVM_CAP_SET_IDENTITY_MAP_ADDR,
  KVM_CAP_SET_TSS_ADDR,
  KVM_CAP_SIGNAL_MSI,
  KVM_CAP_USER_MEMORY,
  KVM_CHECK_EXTENSION,
  KVM_DEVICE,
  KVM_GET_API_VERSION,
  O_CLOEXEC,
  O_RDWR,
} from '../../../native/kvm';
import { libc } from '../../../native/libc';
import { EngineError } from '../../errors';

/** Everything that a board uses and a KVM may lack; the youngest came with Linux 4.13. */
const NEEDED = {
  KVM_CAP_IRQCHIP,
  KVM_CAP_USER_MEMORY,
  KVM_CAP_SET_TSS_ADDR,
  KVM_CAP_EXT_CPUID,
  KVM_CAP_MP_STATE,
  KVM_CAP_PIT2,
  KVM_CAP_IOEVENTFD,
  KVM_CAP_SET_IDENTITY_MAP_ADDR,
  KVM_CAP_SIGNAL_MSI,
  KVM_CAP_READONLY_MEM,
  KVM_CAP_IOEVENTFD_ANY_LENGTH,
  KVM_CAP_IMMEDIATE_EXIT,
} as const;

/** How much of a capability there is; 0: nothing. */
export function checkCapability(kvm: number, capability: number): number {
  return libc.ioctl('KVM_CHECK_EXTENSION', kvm, KVM_CHECK_EXTENSION, capability);
}

/** Names of what this computer's KVM lacks. @throws NativeError when it can't be asked. */
export function findMissingCapabilities(): readonly string[] {
  const kvm = libc.open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
  try {
    return listMissingCapabilities(kvm);
  } finally {
    libc.close(kvm);
  }
}

function listMissingCapabilities(kvm: number): readonly string[] {
  const version = libc.ioctl('KVM_GET_API_VERSION', kvm, KVM_GET_API_VERSION, 0);
  if (version !== KVM_API_VERSION) return [`API version 12 (it is ${version})`];
  return Object.entries(NEEDED)
    .filter(([, capability]) => checkCapability(kvm, capability) === 0)
    .map(([name]) => name);
}

/** @throws EngineError HK_KVM_FAILED when this KVM can't run a board of so many vCPUs. */
export function requireCapabilities(kvm: number, vcpus: number): void {
  const missing = listMissingCapabilities(kvm);
  if (missing.length > 0) {
    const text = `cannot start the virtual machine: this KVM has no ${missing.join(', ')}; Linux 4.14 or newer on x86-64 has them`;
    throw new EngineError('HK_KVM_FAILED', text);
  }
  const most = checkCapability(kvm, KVM_CAP_MAX_VCPUS);
  if (vcpus > most) {
    const text = `cannot start the virtual machine: it has ${vcpus} CPUs, this KVM runs ${most} at most; ask for fewer`;
    throw new EngineError('HK_KVM_FAILED', text);
  }
}
