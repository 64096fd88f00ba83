import type { BoardPlan } from '../board/board-plan';
import type { BlockImage } from './block-image';

/** A device whose work may block, in the slot `slot` of the board's plan. */
export interface IoDevicePlan {
  readonly slot: number;
  readonly device:
    | { readonly kind: 'virtio-blk'; readonly image: BlockImage; readonly queues: number; readonly serial: string }
    | { readonly kind: 'ahci-hd' | 'ahci-cd'; readonly image: BlockImage; readonly serial: string };
}

/** What the I/O thread is born with: one word, see {@link IO_COMMAND}. */
export interface IoWorkerData {
  readonly command: SharedArrayBuffer;
}

export const IO_COMMAND = { wait: 0, work: 1, end: 2 } as const;

/** What it gets before it works. */
export interface IoAssignment {
  readonly board: BoardPlan;
  readonly devices: readonly IoDevicePlan[];
  /** Signalled when the thread shall end. */
  readonly stopEventfd: number;
  /** For a TraceWriter; undefined: nobody traces. */
  readonly trace: SharedArrayBuffer | undefined;
}

/** What it tells: a device was stopped by what its driver did, or by a mistake of ours. */
export interface IoReport {
  readonly fault: string;
}
