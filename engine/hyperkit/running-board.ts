import type { SerialLine } from '../console/serial-line';
import type { BoardSerial } from '../spec/board-serials';
import type { BoardSpec } from '../spec/board-spec';

/** Why a board stopped. */
export type BoardEnd =
  /** The guest switched itself off, or all its CPUs stand still for good. */
  | { readonly kind: 'power-off' | 'halted' }
  | { readonly kind: 'reset' | 'triple-fault' | 'killed' }
  | { readonly kind: 'failed'; readonly detail: string };

/** A board that has been started and has not ended. */
export interface RunningBoard {
  /** Who runs it, for people, e.g. `QEMU 7.2.22, TCG`. */
  readonly engine: string;
  /** Presses the power button. Answers false, having done nothing, when the guest has not switched ACPI on. */
  powerButton(): Promise<boolean>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it at once; resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** How often each CPU came back to us so far, by reason; where that is known. */
  readonly exitCounts?: () => ReadonlyArray<Readonly<Record<string, number>>>;
  /** Settles once, never rejects. */
  readonly exited: Promise<BoardEnd>;
}

/** A serial port and what is at the other end of its cable. */
export interface ConnectedSerial extends Pick<BoardSerial, 'name' | 'place'> {
  readonly line: SerialLine;
}

/** What a board is started with. */
export interface BoardStart {
  readonly board: BoardSpec;
  /** In the order of boardSerials. */
  readonly serials: readonly ConnectedSerial[];
  readonly signal: AbortSignal;
  /** The file with this process's id, which is removed in the end. */
  readonly pidFile: string | undefined;
  /** Memory for the trace of a thread, see engine/trace/trace-ring.ts; undefined: nobody traces. */
  readonly trace: ((thread: string) => SharedArrayBuffer) | undefined;
  /** Lines for whoever started it. */
  readonly say: (line: string) => void;
  /** Lines for whoever looks for a mistake. */
  readonly log: (line: string) => void;
}

/** One way to run boards. */
export interface BoardEngine {
  /** @throws EngineError HK_DEVICE_FAILED for a board that it can't build; before anything is opened for it. */
  check(board: BoardSpec): void;
  /** @throws EngineError; nothing is left behind then. */
  start(start: BoardStart): Promise<RunningBoard>;
}
