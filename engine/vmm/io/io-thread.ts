import { Worker } from 'node:worker_threads';
import { eventfds } from '../../../native/eventfd';
import { findPackagedProgram } from '../../packaged-program';
import type { BoardPlan } from '../board/board-plan';
import { IO_COMMAND, type IoAssignment, type IoDevicePlan, type IoReport, type IoWorkerData } from './io-messages';

/** A disk that holds a system call up longer than this is given up on. */
const END_DEADLINE_MS = 10_000;

export interface IoThreadOptions {
  /** A device was stopped. */
  report(fault: string): void;
  /** The thread ended by a crash: the machine has no disks any more. */
  crashed(why: string): void;
}

/** The one thread of a board in which its disks work. It is started before there is a machine: loading takes some 30 ms. */
export class IoThread {
  readonly #worker: Worker;
  readonly #command = new Int32Array(new SharedArrayBuffer(4));
  readonly #stopEventfd = eventfds.create();
  readonly #ended: Promise<void>;
  #closing: Promise<void> | undefined;
  readonly #stopAtExit = (): void => this.#stop();

  constructor({ report, crashed }: IoThreadOptions) {
    const workerData: IoWorkerData = { command: this.#command.buffer as SharedArrayBuffer };
    const program = findPackagedProgram('io-worker');
    this.#worker = new Worker(program, { workerData, execArgv: [], trackUnmanagedFds: false, name: 'io' });
    this.#worker.on('message', ({ fault }: IoReport) => report(fault));
    this.#worker.on('error', (error: Error) => crashed(`its I/O thread crashed: ${error.stack ?? error.message}`));
    // Node waits for its threads when it exits, and this one would never hear of it.
    process.on('exit', this.#stopAtExit);
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        process.off('exit', this.#stopAtExit);
        resolve();
      });
    });
  }

  /** Gives the thread its devices; it works on them from now on. */
  assign(board: BoardPlan, devices: readonly IoDevicePlan[], trace?: (thread: string) => SharedArrayBuffer): void {
    const assignment: IoAssignment = { board, devices, stopEventfd: this.#stopEventfd, trace: trace?.('io') };
    this.#worker.postMessage(assignment);
    this.#setCommand(IO_COMMAND.work);
  }

  /** Ends the thread after the requests that it is at; resolves when it has ended, or the deadline is over. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    this.#stop();
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, END_DEADLINE_MS);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(deadline);
    // From here on it runs no line of its program, even if its system call returns one day.
    void this.#worker.terminate();
    eventfds.close(this.#stopEventfd);
  }

  #stop(): void {
    this.#setCommand(IO_COMMAND.end);
    eventfds.signal(this.#stopEventfd);
  }

  #setCommand(command: number): void {
    Atomics.store(this.#command, 0, command);
    Atomics.notify(this.#command, 0);
  }
}
