import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { TraceWriter } from '../../trace/trace-ring';
import { assembleBoard } from '../board/assemble-board';
import { GuestMemory } from '../memory/guest-memory';
import { traceBlocksTo } from './block-trace';
import { openIoDevice } from './io-devices';
import { IoLoop } from './io-loop';
import { IO_COMMAND, type IoAssignment, type IoReport, type IoWorkerData } from './io-messages';

/*
 * Program of the I/O thread (dist/io-worker.cjs). It blocks from its first line on: Node's event loop in here never turns.
 * While the main thread makes the machine, this one loads its code.
 */
const command = new Int32Array((workerData as IoWorkerData).command);
Atomics.wait(command, 0, IO_COMMAND.wait);
const assignment = parentPort && (receiveMessageOnPort(parentPort)?.message as IoAssignment | undefined);
if (assignment && Atomics.load(command, 0) === IO_COMMAND.work) work(assignment);

function work({ board: plan, devices, stopEventfd, trace }: IoAssignment): void {
  if (trace) traceBlocksTo(new TraceWriter(trace));
  const board = assembleBoard(plan);
  const memory = new GuestMemory(plan.memory);
  const loop = new IoLoop();
  const report = ({ message, stack, name }: Error): void => {
    const fault: IoReport = { fault: name === 'EngineError' ? message : (stack ?? message) };
    parentPort?.postMessage(fault);
  };
  const opened = devices.map((device) => openIoDevice(device, { plan, board, memory, loop, report }));
  loop.watch(stopEventfd, () => loop.stop());
  loop.run();
  for (const device of opened) device.close();
  loop.close();
}
