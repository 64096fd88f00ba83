import type { BoardPlan } from '../board/board-plan';

/** What a vCPU's thread is born with. */
export interface VcpuWorkerData {
  readonly index: number;
  /** See board-words.ts. */
  readonly words: SharedArrayBuffer;
}

/** What it gets before the first command: everything else. */
export interface VcpuAssignment {
  readonly board: BoardPlan;
  /** Descriptor of the vCPU. */
  readonly vcpu: number;
  /** Where struct kvm_run is mapped in this process. */
  readonly runAddress: bigint;
  readonly runBytes: number;
  /** For a TraceWriter; undefined: nobody traces. */
  readonly trace: SharedArrayBuffer | undefined;
}

/** What it says last, if it ends in a way that nobody wanted. */
export interface VcpuObituary {
  readonly failed: string;
}
