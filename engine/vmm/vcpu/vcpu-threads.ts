import { RUN } from '../../../native/kvm';
import { interruptThread, prepareInterrupts } from '../../../native/thread-signal';
import type { BoardPlan } from '../board/board-plan';
import { COMMAND, PHASE, type Phase } from './board-words';
import type { Vcpu } from './create-vcpu';
import type { VcpuAssignment } from './vcpu-messages';
import type { VcpuWorkers } from './vcpu-workers';

/** Commands a board's vCPUs, wherever they are: in KVM or out of it. */
export class VcpuThreads {
  #runs: readonly Uint8Array[] = [];
  readonly #stopAtExit = (): void => this.stop();

  /** @throws NativeError */
  constructor(private readonly workers: VcpuWorkers) {
    prepareInterrupts();
    workers.onCrash = () => this.stop();
    process.on('exit', this.#stopAtExit);
  }

  /** Gives each thread its vCPU. They run at the first command. */
  assign(vcpus: readonly Vcpu[], board: BoardPlan, trace?: (thread: string) => SharedArrayBuffer): void {
    this.#runs = vcpus.map(({ run }) => run.bytes);
    for (const [index, { fd, run }] of vcpus.entries()) {
      const assignment: VcpuAssignment = {
        board,
        vcpu: fd,
        runAddress: run.address,
        runBytes: run.bytes.length,
        trace: trace?.(`vcpu${index}`),
      };
      this.workers.post(index, assignment);
    }
  }

  run(): void {
    if (this.workers.failed) this.stop();
    else this.workers.words.setCommand(COMMAND.run);
  }

  pause(): void {
    this.workers.words.setCommand(COMMAND.pause);
    this.#kick();
  }

  stop(): void {
    this.workers.words.setCommand(COMMAND.stop);
    this.#kick();
  }

  /** Every thread is in one of these phases. */
  allIn(...phases: readonly Phase[]): boolean {
    const { words, count } = this.workers;
    return Array.from({ length: count }, (_, index) => words.phase(index)).every((phase) => phases.includes(phase));
  }

  /** After the threads have ended: the mappings of their vCPUs go away. */
  release(): void {
    this.#runs = [];
    process.off('exit', this.#stopAtExit);
  }

  /** Every thread that is in KVM comes out of it. The order matters, see run-loop.ts: command, immediate_exit, signal. */
  #kick(): void {
    const { words } = this.workers;
    for (const [index, run] of this.#runs.entries()) {
      if (words.phase(index) === PHASE.ended) continue;
      Atomics.store(run, RUN.immediateExit, 1);
      const thread = words.thread(index);
      if (thread !== 0) interruptThread(thread);
    }
  }
}
