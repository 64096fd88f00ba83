import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HLT,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_INTR,
  KVM_EXIT_IO,
  KVM_EXIT_IRQ_WINDOW_OPEN,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_EXIT_X86_RDMSR,
  KVM_EXIT_X86_WRMSR,
} from '../../../native/kvm';

/** Room for every exit reason that linux/kvm.h has numbers for; what is above is counted as the last. */
export const EXIT_REASONS = 64;

const NAMES: Readonly<Record<number, string>> = {
  [KVM_EXIT_IO]: 'io',
  [KVM_EXIT_HLT]: 'hlt',
  [KVM_EXIT_MMIO]: 'mmio',
  [KVM_EXIT_IRQ_WINDOW_OPEN]: 'irq-window',
  [KVM_EXIT_SHUTDOWN]: 'shutdown',
  [KVM_EXIT_FAIL_ENTRY]: 'fail-entry',
  [KVM_EXIT_INTR]: 'interrupted',
  [KVM_EXIT_INTERNAL_ERROR]: 'internal-error',
  [KVM_EXIT_SYSTEM_EVENT]: 'system-event',
  [KVM_EXIT_X86_RDMSR]: 'rdmsr',
  [KVM_EXIT_X86_WRMSR]: 'wrmsr',
};

/** The name of an exit reason, for people. */
export function exitReasonName(reason: number): string {
  return NAMES[reason] ?? `exit ${reason}`;
}

/**
 * How often each vCPU came back from KVM, by reason: a row of {@link EXIT_REASONS} doubles for each, which only its own
 * thread writes and anybody reads at any time. Counting costs about a nanosecond.
 */
export class ExitCounters {
  static stateBytes(vcpus: number): number {
    return vcpus * EXIT_REASONS * Float64Array.BYTES_PER_ELEMENT;
  }

  constructor(readonly shared: SharedArrayBuffer) {}

  /** The row that a vCPU's thread counts in. */
  row(vcpu: number): Float64Array {
    return new Float64Array(this.shared, vcpu * EXIT_REASONS * Float64Array.BYTES_PER_ELEMENT, EXIT_REASONS);
  }

  /** What has been counted for one vCPU, by name; reasons that never came are left out. */
  read(vcpu: number): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const [reason, count] of this.row(vcpu).entries()) if (count > 0) counts[exitReasonName(reason)] = count;
    return counts;
  }
}
