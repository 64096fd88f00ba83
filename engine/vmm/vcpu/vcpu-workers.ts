import { SHARE_ENV, Worker } from 'node:worker_threads';
import { findPackagedProgram } from '../../packaged-program';
import { BoardWords, COMMAND, PHASE } from './board-words';
import type { VcpuObituary, VcpuWorkerData } from './vcpu-messages';

/**
 * The threads of a board's vCPUs, before there is a board. Each takes some 30 ms to load, so they are started first, and
 * this file imports nothing that takes time to load itself.
 */
export class VcpuWorkers {
  readonly words: BoardWords;
  /** Settles when all threads have ended; what failed, or undefined. Never rejects. */
  readonly ended: Promise<string | undefined>;
  /** Called when a thread has crashed: the others must be stopped. */
  onCrash: () => void = () => this.stop();
  readonly #workers: readonly Worker[];
  #failure: string | undefined;

  constructor(vcpus: number) {
    const program = findPackagedProgram('vcpu-worker');
    this.words = new BoardWords(new SharedArrayBuffer(BoardWords.stateBytes(vcpus)));
    this.#workers = Array.from({ length: vcpus }, (_, index) => {
      const workerData: VcpuWorkerData = { index, words: this.words.shared };
      return new Worker(program, { workerData, execArgv: [], env: SHARE_ENV, trackUnmanagedFds: false });
    });
    // Node waits for its threads when it exits, and those that wait for a command would never hear of it.
    const stopAtExit = (): void => this.stop();
    process.on('exit', stopAtExit);
    this.ended = Promise.all(this.#workers.map((worker, index) => this.#untilEnd(worker, index))).then(() => {
      process.off('exit', stopAtExit);
      return this.#failure;
    });
  }

  /** A thread has crashed, so there will be no machine. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  get count(): number {
    return this.#workers.length;
  }

  /** Says something to one thread; it listens once, before its first command. */
  post(vcpu: number, message: unknown): void {
    this.#workers[vcpu]?.postMessage(message);
  }

  /** The threads end, unless they are in KVM. */
  stop(): void {
    this.words.setCommand(COMMAND.stop);
  }

  #untilEnd(worker: Worker, index: number): Promise<void> {
    return new Promise((resolve) => {
      worker.on('message', ({ failed }: VcpuObituary) => {
        this.#failure ??= failed;
      });
      worker.on('error', (error: Error) => {
        this.#failure ??= `CPU ${index}: its thread crashed: ${error.stack ?? error.message}`;
        this.onCrash();
      });
      worker.on('exit', () => {
        // Whoever waits for the phase of a thread that crashed waits no longer.
        this.words.setPhase(index, PHASE.ended);
        resolve();
      });
    });
  }
}
