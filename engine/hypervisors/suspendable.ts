import type { VmSpec } from '../spec/vm-spec';
import type { Attachments, Hypervisor, RunningVm } from './hypervisor';

/** What a saved guest needs in order to go on, besides its specification: engine, version, CPU, which devices. */
export type SuspensionTraits = Readonly<Record<string, string>>;

export interface SuspendRequest {
  /** Is made here; whoever asked removes what a failure leaves. */
  readonly file: string;
  /** Gives up; the guest goes on. */
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** Called when the file is complete and on the disk, while the guest stands. When it rejects, the guest goes on. */
  readonly keep: (traits: SuspensionTraits) => Promise<void>;
}

/** A virtual machine whose whole state can be written to a file, from which it goes on later. */
export interface SuspendableVm extends RunningVm {
  /**
   * Stops the guest, writes its memory and devices to a file, and ends; `exited` is `suspended` then.
   * @throws EngineError HK_REQUEST_UNSUPPORTED before anything happens; HK_SUSPEND_FAILED when the guest goes on.
   */
  suspend(request: SuspendRequest): Promise<void>;
}

export function isSuspendable(vm: RunningVm): vm is SuspendableVm {
  return 'suspend' in vm;
}

/** A guest that was suspended. */
export interface SuspendedGuest {
  readonly file: string;
  readonly traits: SuspensionTraits;
  readonly deadlineMs: number;
  /** Called when the file has been read, before the guest runs: from then on the file must not be read again. */
  readonly taken: () => Promise<void>;
}

/** A hypervisor that goes on with what its own virtual machines have saved. */
export interface ResumingHypervisor extends Hypervisor {
  /** @throws EngineError HK_RESUME_FAILED; nothing is left of it, and unless `taken` was called nothing has changed. */
  resume(spec: VmSpec, attachments: Attachments, suspended: SuspendedGuest): Promise<RunningVm>;
}

export function isResuming(hypervisor: Hypervisor): hypervisor is ResumingHypervisor {
  return 'resume' in hypervisor;
}

/** The first thing that is not as it was, for people. */
export function describeChange(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): string | undefined {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [was = 'unknown', is = 'unknown'] = [before[name], now[name]];
    if (was !== is) return `its ${name} was ${was} when it was suspended, and is ${is} now`;
  }
  return undefined;
}
