import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { eventfds } from '../../../native/eventfd';
import { viewMemory } from '../../../native/libc';
import { currentThread } from '../../../native/thread-signal';
import { TraceWriter } from '../../trace/trace-ring';
import { assembleBoard } from '../board/assemble-board';
import { BoardWords, COMMAND, PHASE, WISH } from './board-words';
import { ExitCounters } from './exit-counters';
import { dumpRegisters } from './register-dump';
import { RunLoop } from './run-loop';
import type { VcpuAssignment, VcpuObituary, VcpuWorkerData } from './vcpu-messages';

/*
 * Program of a vCPU's thread (dist/vcpu-worker.cjs). It blocks from its first line on: Node's event loop in here never
 * turns while the guest lives. While the main thread makes the machine, this one loads its code.
 */
const { index, words: shared } = workerData as VcpuWorkerData;
const words = new BoardWords(shared);
words.setThread(index, currentThread());
words.waitWhile(COMMAND.wait);
const assignment = parentPort && (receiveMessageOnPort(parentPort)?.message as VcpuAssignment | undefined);
if (assignment && words.command !== COMMAND.stop) live(assignment);
words.setThread(index, 0);
words.setPhase(index, PHASE.ended);

function live({ board: plan, vcpu, runAddress, runBytes, trace: ring }: VcpuAssignment): void {
  try {
    const { pio, mmio, lock, notice } = assembleBoard(plan);
    const run = viewMemory(runAddress, runBytes);
    const counts = new ExitCounters(plan.counters).row(index);
    const trace = ring && new TraceWriter(ring);
    new RunLoop({ index, fd: vcpu, run, pio, mmio, lock, words, counts, trace, notice }).run();
  } catch (error) {
    const { message, stack, name } = error as Error;
    const what = name === 'VcpuFailure' || name === 'EngineError' ? message : (stack ?? message);
    const obituary: VcpuObituary = { failed: `CPU ${index}: ${what}\n${dumpRegisters(vcpu)}` };
    parentPort?.postMessage(obituary);
    words.makeWish(WISH.failed);
  }
  eventfds.signal(plan.noticeEventfd);
}
