import {
  EINTR,
  ENABLE_CAP,
  KVM_CAP_X86_USER_SPACE_MSR,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_PIT2,
  KVM_CREATE_VM,
  KVM_DEVICE,
  KVM_ENABLE_CAP,
  KVM_MEM_READONLY,
  KVM_MSR_EXIT_REASON_UNKNOWN,
  KVM_PIT_SPEAKER_DUMMY,
  KVM_SET_IDENTITY_MAP_ADDR,
  KVM_SET_TSS_ADDR,
  KVM_SET_USER_MEMORY_REGION,
  MEMORY_REGION,
  O_CLOEXEC,
  O_RDWR,
  PIT_CONFIG,
} from '../../../native/kvm';
import { libc, type Mapping } from '../../../native/libc';
import { NativeError } from '../../../native/native-error';
import { EngineError } from '../../errors';
import { KVM_IDENTITY_MAP_ADDRESS, KVM_TSS_ADDRESS } from '../boot/layout';
import { checkCapability, requireCapabilities } from './capabilities';

/** KVM_CREATE_VM fails with EINTR when a signal comes at the wrong moment, as under a profiler's timer. */
const CREATE_ATTEMPTS = 100;

/** A virtual machine in the kernel: memory slots, PIC, IOAPIC, APICs, PIT; no CPU yet. */
export interface KvmVm {
  readonly kvmFd: number;
  readonly fd: number;
  /** Addresses and length are multiples of a page. @throws NativeError */
  addRam(guestAddress: number, hostAddress: bigint, length: number): void;
  /** A copy of `bytes`, whose length is a multiple of a page, that the guest can't change. @throws NativeError */
  addRom(guestAddress: number, bytes: Uint8Array): void;
  /** Accesses to MSRs that KVM doesn't know exit to us instead of failing. @throws EngineError HK_KVM_FAILED */
  passUnknownMsrs(): void;
  close(): void;
}

/** @throws EngineError HK_KVM_FAILED; nothing is left open. */
export function createKvmVm(vcpus: number): KvmVm {
  let kvmFd: number | undefined;
  let fd: number | undefined;
  try {
    kvmFd = libc.open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
    requireCapabilities(kvmFd, vcpus);
    fd = createVm(kvmFd);
    libc.ioctl('KVM_SET_TSS_ADDR', fd, KVM_SET_TSS_ADDR, KVM_TSS_ADDRESS);
    const identityMap = new Uint8Array(BigUint64Array.of(BigInt(KVM_IDENTITY_MAP_ADDRESS)).buffer);
    libc.ioctl('KVM_SET_IDENTITY_MAP_ADDR', fd, KVM_SET_IDENTITY_MAP_ADDR, identityMap);
    libc.ioctl('KVM_CREATE_IRQCHIP', fd, KVM_CREATE_IRQCHIP, 0);
    const pit = new Uint8Array(PIT_CONFIG.size);
    pit[PIT_CONFIG.flags] = KVM_PIT_SPEAKER_DUMMY;
    libc.ioctl('KVM_CREATE_PIT2', fd, KVM_CREATE_PIT2, pit);
    return openVm(kvmFd, fd);
  } catch (error) {
    for (const open of [fd, kvmFd]) if (open !== undefined) libc.close(open);
    throw toKvmError(error);
  }
}

function createVm(kvmFd: number): number {
  for (let attempt = 1; ; attempt++) {
    const fd = libc.ioctlQuick(kvmFd, KVM_CREATE_VM, 0);
    if (fd >= 0) return fd;
    // The throwing call says which error it is.
    if (fd !== -EINTR || attempt === CREATE_ATTEMPTS) return libc.ioctl('KVM_CREATE_VM', kvmFd, KVM_CREATE_VM, 0);
  }
}

function openVm(kvmFd: number, fd: number): KvmVm {
  let slots = 0;
  const roms: Mapping[] = [];
  const addMemory = (guestAddress: number, hostAddress: bigint, length: number, flags: number): void => {
    const region = new DataView(new ArrayBuffer(MEMORY_REGION.size));
    region.setUint32(MEMORY_REGION.slot, slots++, true);
    region.setUint32(MEMORY_REGION.flags, flags, true);
    region.setBigUint64(MEMORY_REGION.guestAddress, BigInt(guestAddress), true);
    region.setBigUint64(MEMORY_REGION.memorySize, BigInt(length), true);
    region.setBigUint64(MEMORY_REGION.hostAddress, hostAddress, true);
    libc.ioctl('KVM_SET_USER_MEMORY_REGION', fd, KVM_SET_USER_MEMORY_REGION, new Uint8Array(region.buffer));
  };
  return {
    kvmFd,
    fd,
    addRam: (guestAddress, hostAddress, length) => addMemory(guestAddress, hostAddress, length, 0),
    addRom: (guestAddress, bytes) => {
      const mapping = libc.mmap(bytes.length, -1);
      roms.push(mapping);
      mapping.bytes.set(bytes);
      addMemory(guestAddress, mapping.address, bytes.length, KVM_MEM_READONLY);
    },
    passUnknownMsrs: () => {
      if (checkCapability(kvmFd, KVM_CAP_X86_USER_SPACE_MSR) === 0) {
        const text =
          'cannot ignore unknown MSRs (-w): this KVM has no KVM_CAP_X86_USER_SPACE_MSR; use Linux 5.10 or newer';
        throw new EngineError('HK_KVM_FAILED', text);
      }
      const capability = new DataView(new ArrayBuffer(ENABLE_CAP.size));
      capability.setUint32(ENABLE_CAP.cap, KVM_CAP_X86_USER_SPACE_MSR, true);
      capability.setUint32(ENABLE_CAP.args, KVM_MSR_EXIT_REASON_UNKNOWN, true);
      libc.ioctl('KVM_ENABLE_CAP', fd, KVM_ENABLE_CAP, new Uint8Array(capability.buffer));
    },
    close: () => {
      libc.close(fd);
      libc.close(kvmFd);
      for (const rom of roms) rom.unmap();
    },
  };
}

/** What went wrong between us and KVM, for people. */
export function toKvmError(error: unknown): unknown {
  if (!(error instanceof NativeError)) return error;
  const text = `cannot start the virtual machine: ${error.message}${mendFor(error.errno)}`;
  return new EngineError('HK_KVM_FAILED', text, { cause: error });
}

function mendFor(errno: string): string {
  switch (errno) {
    case 'EACCES':
    case 'EPERM':
      return '; add yourself to the group kvm and log in again';
    case 'ENOENT':
      return '; enable virtualisation in the firmware and load kvm_intel or kvm_amd';
    case 'ENOMEM':
      return '; the host has not enough memory';
    case 'EBUSY':
      return '; stop the other hypervisor that holds the CPU';
    default:
      return '';
  }
}
