import { PROBE } from '../../trace/probes';
import type { TraceWriter } from '../../trace/trace-ring';

type Call = 'preadv' | 'pwritev' | 'delete';

/** Where this thread writes down what its disks do. Each thread has a module of its own, and with it one of these. */
let trace: TraceWriter | undefined;

export function traceBlocksTo(writer: TraceWriter): void {
  trace = writer;
}

/** HyperKit's probes `block-…` and `block-…-done` around a call that answers 0 or a negated errno. */
export function traced(call: Call, offset: number, bytes: number, run: () => number): number {
  trace?.record(PROBE[`block-${call}`], offset, bytes);
  const result = run();
  trace?.record(PROBE[`block-${call}-done`], offset, result === 0 ? bytes : result);
  return result;
}
