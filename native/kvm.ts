/*
 * What <linux/kvm.h> says on x86-64 (Linux 6.1 UAPI; Documentation/virt/kvm/api.rst), as far as it is in use.
 * Structures are little-endian; offsets in bytes.
 */

export const KVM_DEVICE = '/dev/kvm';

/** The only version there is; api.rst section 4.1 says to refuse any other. */
export const KVM_API_VERSION = 12;

export const KVM_GET_API_VERSION = 0xae00;
export const KVM_CREATE_VM = 0xae01;
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
export const KVM_CREATE_VCPU = 0xae41;
export const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
export const KVM_SET_TSS_ADDR = 0xae47;
export const KVM_RUN = 0xae80;
export const KVM_SET_REGS = 0x4090ae82;
export const KVM_GET_SREGS = 0x8138ae83;
export const KVM_SET_SREGS = 0x4138ae84;

/** struct kvm_userspace_memory_region: slot u32, flags u32, guest_phys_addr u64, memory_size u64, userspace_addr u64 */
export const MEMORY_REGION = { size: 32, guestAddress: 8, memorySize: 16, hostAddress: 24 } as const;

/** struct kvm_regs: rax … r15, then rip u64 and rflags u64 */
export const REGS = { size: 144, rip: 128, rflags: 136 } as const;

/** struct kvm_sregs: it begins with the code segment: base u64, limit u32, selector u16, … */
export const SREGS = { size: 312, csBase: 0, csSelector: 12 } as const;

/** struct kvm_run: exit_reason u32 */
export const RUN = { exitReason: 8 } as const;

export const KVM_EXIT_HLT = 5;

/** <asm-generic/fcntl.h> */
export const O_RDWR = 0x2;
export const O_CLOEXEC = 0x80000;
