/*
 * What <linux/kvm.h> says on x86-64 (Linux 6.1 UAPI; Documentation/virt/kvm/api.rst), as far as it is in use.
 * Structures are little-endian; offsets in bytes.
 */

export const KVM_DEVICE = '/dev/kvm';

/** The only version there is; api.rst section 4.1 says to refuse any other. */
export const KVM_API_VERSION = 12;

// Of /dev/kvm.
export const KVM_GET_API_VERSION = 0xae00;
export const KVM_CREATE_VM = 0xae01;
export const KVM_CHECK_EXTENSION = 0xae03;
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
export const KVM_GET_SUPPORTED_CPUID = 0xc008ae05;

// Of a virtual machine.
export const KVM_CREATE_VCPU = 0xae41;
export const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
export const KVM_SET_TSS_ADDR = 0xae47;
export const KVM_SET_IDENTITY_MAP_ADDR = 0x4008ae48;
export const KVM_CREATE_IRQCHIP = 0xae60;
export const KVM_IRQ_LINE = 0x4008ae61;
export const KVM_CREATE_PIT2 = 0x4040ae77;
export const KVM_IOEVENTFD = 0x4040ae79;
export const KVM_SIGNAL_MSI = 0x4020aea5;
export const KVM_ENABLE_CAP = 0x4068aea3;

// Of a virtual CPU.
export const KVM_RUN = 0xae80;
export const KVM_GET_REGS = 0x8090ae81;
export const KVM_SET_REGS = 0x4090ae82;
export const KVM_GET_SREGS = 0x8138ae83;
export const KVM_SET_SREGS = 0x4138ae84;
export const KVM_SET_MSRS = 0x4008ae89;
export const KVM_SET_FPU = 0x41a0ae8d;
export const KVM_GET_LAPIC = 0x8400ae8e;
export const KVM_SET_LAPIC = 0x4400ae8f;
export const KVM_SET_CPUID2 = 0x4008ae90;
export const KVM_KVMCLOCK_CTRL = 0xaead;

// Capabilities, for KVM_CHECK_EXTENSION.
export const KVM_CAP_IRQCHIP = 0;
export const KVM_CAP_USER_MEMORY = 3;
export const KVM_CAP_SET_TSS_ADDR = 4;
export const KVM_CAP_EXT_CPUID = 7;
export const KVM_CAP_MP_STATE = 14;
export const KVM_CAP_PIT2 = 33;
export const KVM_CAP_IOEVENTFD = 36;
export const KVM_CAP_SET_IDENTITY_MAP_ADDR = 37;
export const KVM_CAP_MAX_VCPUS = 66;
export const KVM_CAP_TSC_DEADLINE_TIMER = 72;
export const KVM_CAP_SIGNAL_MSI = 77;
export const KVM_CAP_READONLY_MEM = 81;
export const KVM_CAP_IOEVENTFD_ANY_LENGTH = 122;
export const KVM_CAP_IMMEDIATE_EXIT = 136;
export const KVM_CAP_X86_USER_SPACE_MSR = 188;

/** struct kvm_userspace_memory_region: slot u32, flags u32, guest_phys_addr u64, memory_size u64, userspace_addr u64 */
export const MEMORY_REGION = { size: 32, slot: 0, flags: 4, guestAddress: 8, memorySize: 16, hostAddress: 24 } as const;
export const KVM_MEM_READONLY = 2;

/** struct kvm_regs: rax … r15, then rip u64 and rflags u64 */
export const REGS = {
  size: 144,
  rax: 0,
  rbx: 8,
  rcx: 16,
  rdx: 24,
  rsi: 32,
  rdi: 40,
  rsp: 48,
  rbp: 56,
  r8: 64,
  rip: 128,
  rflags: 136,
} as const;

/** struct kvm_segment: base u64, limit u32, selector u16, then bytes: type, present, dpl, db, s, l, g, avl, unusable */
export const SEGMENT = {
  size: 24,
  base: 0,
  limit: 8,
  selector: 12,
  type: 14,
  present: 15,
  dpl: 16,
  db: 17,
  s: 18,
  l: 19,
  g: 20,
  unusable: 22,
} as const;

/** struct kvm_dtable: base u64, limit u16 */
export const DTABLE = { size: 16, base: 0, limit: 8 } as const;

/** struct kvm_sregs: cs ds es fs gs ss tr ldt (struct kvm_segment), gdt idt (struct kvm_dtable), cr0 … */
export const SREGS = {
  size: 312,
  cs: 0,
  csBase: 0,
  csSelector: 12,
  ds: 24,
  es: 48,
  fs: 72,
  gs: 96,
  ss: 120,
  tr: 144,
  ldt: 168,
  gdt: 192,
  idt: 208,
  cr0: 224,
  cr2: 232,
  cr3: 240,
  cr4: 248,
  efer: 264,
} as const;

/** struct kvm_cpuid2: nent u32, padding, then entries: function, index, flags, eax, ebx, ecx, edx, padding (u32 each but 12 bytes) */
export const CPUID = {
  header: 8,
  size: 40,
  function: 0,
  index: 4,
  flags: 8,
  eax: 12,
  ebx: 16,
  ecx: 20,
  edx: 24,
} as const;

/** struct kvm_msrs: nmsrs u32, padding, then entries: index u32, reserved u32, data u64 */
export const MSRS = { header: 8, size: 16, index: 0, data: 8 } as const;

/** struct kvm_fpu: … fcw u16, … mxcsr u32 */
export const FPU = { size: 416, fcw: 128, mxcsr: 408 } as const;

/** struct kvm_lapic_state: the registers as they lie in memory */
export const LAPIC = { size: 1024, lint0: 0x350, lint1: 0x360 } as const;

/** struct kvm_irq_level: irq u32, level u32 */
export const IRQ_LEVEL = { size: 8, irq: 0, level: 4 } as const;

/** struct kvm_msi: address_lo u32, address_hi u32, data u32, flags u32, devid u32, padding */
export const MSI = { size: 32, addressLow: 0, addressHigh: 4, data: 8 } as const;

/** struct kvm_ioeventfd: datamatch u64, addr u64, len u32, fd s32, flags u32, padding */
export const IOEVENTFD = { size: 64, address: 8, length: 16, fd: 20, flags: 24 } as const;
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4;

/** struct kvm_enable_cap: cap u32, flags u32, args u64[4] */
export const ENABLE_CAP = { size: 104, cap: 0, args: 8 } as const;
/** Accesses to MSRs that KVM doesn't know come to user space. */
export const KVM_MSR_EXIT_REASON_UNKNOWN = 2;

/** struct kvm_pit_config: flags u32, padding. With the flag KVM answers port 0x61 by itself. */
export const PIT_CONFIG = { size: 64, flags: 0 } as const;
export const KVM_PIT_SPEAKER_DUMMY = 1;

/** struct kvm_run: the head, then a union (at 32) by exit reason */
export const RUN = {
  immediateExit: 1,
  exitReason: 8,
  /** KVM_EXIT_IO: direction u8, size u8, port u16, count u32, data_offset u64 from the start of the structure */
  io: { direction: 32, size: 33, port: 34, count: 36, dataOffset: 40 },
  /** KVM_EXIT_MMIO: phys_addr u64, data (8), len u32, is_write u8 */
  mmio: { address: 32, data: 40, length: 48, isWrite: 52 },
  /** KVM_EXIT_FAIL_ENTRY: hardware_entry_failure_reason u64, cpu u32 */
  failEntry: { reason: 32 },
  /** KVM_EXIT_INTERNAL_ERROR: suberror u32, ndata u32, data u64[16] */
  internal: { suberror: 32, count: 36, data: 40 },
  /** KVM_EXIT_SYSTEM_EVENT: type u32 */
  systemEvent: { type: 32 },
  /** KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR: error u8, reason u32, index u32, data u64 */
  msr: { error: 32, index: 44, data: 48 },
} as const;

export const KVM_EXIT_IO = 2;
export const KVM_EXIT_HLT = 5;
export const KVM_EXIT_MMIO = 6;
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
export const KVM_EXIT_SHUTDOWN = 8;
export const KVM_EXIT_FAIL_ENTRY = 9;
export const KVM_EXIT_INTR = 10;
export const KVM_EXIT_INTERNAL_ERROR = 17;
export const KVM_EXIT_SYSTEM_EVENT = 24;
export const KVM_EXIT_X86_RDMSR = 29;
export const KVM_EXIT_X86_WRMSR = 30;

export const KVM_EXIT_IO_OUT = 1;

export const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
export const KVM_SYSTEM_EVENT_RESET = 2;

/** <asm-generic/fcntl.h> */
export const O_RDWR = 0x2;
export const O_CLOEXEC = 0x80000;

/** <asm-generic/errno-base.h> */
export const EINTR = 4;
export const EAGAIN = 11;
