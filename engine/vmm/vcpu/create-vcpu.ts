import {
  FPU,
  KVM_CAP_TSC_DEADLINE_TIMER,
  KVM_CREATE_VCPU,
  KVM_GET_LAPIC,
  KVM_GET_SREGS,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_SET_CPUID2,
  KVM_SET_FPU,
  KVM_SET_LAPIC,
  KVM_SET_MSRS,
  KVM_SET_REGS,
  KVM_SET_SREGS,
  LAPIC,
  SREGS,
} from '../../../native/kvm';
import { libc, type Mapping } from '../../../native/libc';
import { EngineError } from '../../errors';
import type { EntryState } from '../boot/entry-state';
import { checkCapability } from '../kvm/capabilities';
import type { KvmVm } from '../kvm/kvm-vm';
import { BOOT_MSR_COUNT, bootMsrName, encodeBootMsrs } from './boot-msrs';
import { type CpuidEntry, decodeCpuidTable, emptyCpuidTable, encodeCpuidTable } from './cpuid-table';
import { applyEntrySregs, makeEntryRegs } from './entry-registers';
import { fixCpuid } from './fix-cpuid';

/** A vCPU that has not run yet. */
export interface Vcpu {
  readonly fd: number;
  /** struct kvm_run and what follows it: shared with the kernel. */
  readonly run: Mapping;
  close(): void;
}

/** LVT entries (Intel SDM volume 3, 11.5.1): the PIC is at LINT0, the NMI at LINT1, as firmware wires them. */
const DELIVERY_EXTINT = 7 << 8;
const DELIVERY_NMI = 4 << 8;
const FPU_CONTROL_AFTER_INIT = 0x37f;
const MXCSR_AFTER_RESET = 0x1f80;

/** What all vCPUs of a machine have in common. */
export interface VcpuModel {
  readonly supported: readonly CpuidEntry[];
  readonly tscDeadline: boolean;
  readonly runBytes: number;
  readonly vcpus: number;
  readonly x2apic: boolean;
}

/** Asks KVM what its vCPUs can be. @throws NativeError */
export function readVcpuModel({ kvmFd }: KvmVm, vcpus: number, x2apic: boolean): VcpuModel {
  const table = emptyCpuidTable();
  libc.ioctl('KVM_GET_SUPPORTED_CPUID', kvmFd, KVM_GET_SUPPORTED_CPUID, table);
  return {
    supported: decodeCpuidTable(table),
    tscDeadline: checkCapability(kvmFd, KVM_CAP_TSC_DEADLINE_TIMER) !== 0,
    runBytes: libc.ioctl('KVM_GET_VCPU_MMAP_SIZE', kvmFd, KVM_GET_VCPU_MMAP_SIZE, 0),
    vcpus,
    x2apic,
  };
}

/**
 * Makes vCPU number `index`, whose APIC id is the same. Number 0 begins in `entry`; the others wait for INIT and SIPI,
 * which KVM sees to.
 * @throws NativeError, EngineError HK_KVM_FAILED; nothing is left open.
 */
export function createVcpu(vm: KvmVm, index: number, model: VcpuModel, entry: EntryState): Vcpu {
  const fd = libc.ioctl('KVM_CREATE_VCPU', vm.fd, KVM_CREATE_VCPU, index);
  try {
    const cpuid = encodeCpuidTable(fixCpuid(model.supported, { ...model, apicId: index }));
    libc.ioctl('KVM_SET_CPUID2', fd, KVM_SET_CPUID2, cpuid);
    setBootMsrs(fd);
    setFpu(fd);
    setLapic(fd);
    if (index === 0 && entry.mode !== 'reset') {
      const sregs = new Uint8Array(SREGS.size);
      libc.ioctl('KVM_GET_SREGS', fd, KVM_GET_SREGS, sregs);
      applyEntrySregs(sregs, entry);
      libc.ioctl('KVM_SET_SREGS', fd, KVM_SET_SREGS, sregs);
      libc.ioctl('KVM_SET_REGS', fd, KVM_SET_REGS, makeEntryRegs(entry));
    }
    const run = libc.mmap(model.runBytes, fd);
    return {
      fd,
      run,
      close: () => {
        run.unmap();
        libc.close(fd);
      },
    };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

function setBootMsrs(fd: number): void {
  const count = libc.ioctl('KVM_SET_MSRS', fd, KVM_SET_MSRS, encodeBootMsrs());
  if (count === BOOT_MSR_COUNT) return;
  const text = `cannot start the virtual machine: this KVM does not let us set the MSR ${bootMsrName(count)}`;
  throw new EngineError('HK_KVM_FAILED', text);
}

function setFpu(fd: number): void {
  const fpu = new DataView(new ArrayBuffer(FPU.size));
  fpu.setUint16(FPU.fcw, FPU_CONTROL_AFTER_INIT, true);
  fpu.setUint32(FPU.mxcsr, MXCSR_AFTER_RESET, true);
  libc.ioctl('KVM_SET_FPU', fd, KVM_SET_FPU, new Uint8Array(fpu.buffer));
}

function setLapic(fd: number): void {
  const lapic = new Uint8Array(LAPIC.size);
  libc.ioctl('KVM_GET_LAPIC', fd, KVM_GET_LAPIC, lapic);
  const view = new DataView(lapic.buffer);
  view.setUint32(LAPIC.lint0, DELIVERY_EXTINT, true);
  view.setUint32(LAPIC.lint1, DELIVERY_NMI, true);
  libc.ioctl('KVM_SET_LAPIC', fd, KVM_SET_LAPIC, lapic);
}
