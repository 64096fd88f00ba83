import type { BoardExit, RunningBoard } from '../../vmm/board/board-attachments';
import type { CountingVm } from '../counting';
import type { ExitReason } from '../hypervisor';
import type { PausableVm, RunState } from '../pausable';

/** A board of this process as a machine's VM. */
export class NativeVm implements PausableVm, CountingVm {
  readonly backend = 'native/kvm';
  readonly children = [];
  /** The machine's network forwards ports. */
  readonly ports = undefined;
  readonly exited: Promise<ExitReason>;
  #paused = false;
  #listener: ((state: RunState) => void) | undefined;

  constructor(private readonly board: RunningBoard) {
    this.exited = board.exited.then(toExitReason);
  }

  async powerButton(): Promise<void> {
    if (this.#paused) await this.resume();
    this.board.powerButton();
  }

  async pause(): Promise<void> {
    await this.board.pause();
    this.#setPaused(true);
  }

  async resume(): Promise<void> {
    await this.board.resume();
    this.#setPaused(false);
  }

  async kill(): Promise<void> {
    await this.board.kill();
  }

  exitCounts(): ReadonlyArray<Readonly<Record<string, number>>> {
    return this.board.exitCounts();
  }

  onRunState(listener: (state: RunState) => void): void {
    this.#listener = listener;
  }

  #setPaused(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#listener?.({ paused });
  }
}

/** A triple fault is how a kernel resets that finds no better way; on a PC it is one. */
function toExitReason(exit: BoardExit): ExitReason {
  switch (exit.kind) {
    case 'triple-fault':
      return { kind: 'reset' };
    case 'halted':
      return { kind: 'power-off' };
    case 'failed':
      return exit;
    default:
      return { kind: exit.kind };
  }
}
