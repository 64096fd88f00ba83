import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsoleInput, ConsoleOutputSchema } from '../../../proto/generated/hyperkit/machine/v1/machine_pb';
import { EngineError } from '../../errors';
import type { Outlet } from '../../grpc/handlers';
import type { ControlSurface } from '../control-surface';
import { MACHINE_FILES } from '../machine-files';
import { ConsoleBacklog } from './console-backlog';

const MAX_HISTORY_BYTES = 65_536;
const MAX_INPUT_BYTES = 65_536;
/** How long a guest that doesn't read its console is left alone before more is typed. */
const TYPE_AGAIN_MS = 20;

/** One client at a machine's console, until the client or the machine goes. */
export async function runConsole(
  { stateDir, console, keeper }: ControlSurface,
  inputs: AsyncIterable<ConsoleInput>,
  outlet: Outlet<typeof ConsoleOutputSchema>,
  signal: AbortSignal,
): Promise<void> {
  const backlog = new ConsoleBacklog();
  const iterator = inputs[Symbol.asyncIterator]();
  const first = await iterator.next();
  const stopListening = console.listen((bytes) => backlog.push(bytes));
  const stopWatching = keeper.watch(() => {
    if (keeper.exit !== undefined) backlog.end();
  });
  if (keeper.exit !== undefined) backlog.end();
  signal.addEventListener('abort', () => backlog.end(), { once: true });

  const typeAll = async (): Promise<void> => {
    for (let next = first; next.done !== true; next = await iterator.next()) await type(next.value.data);
  };
  const type = async (data: Uint8Array): Promise<void> => {
    if (data.length > MAX_INPUT_BYTES) {
      const text = `cannot type ${data.length} bytes at once: ${MAX_INPUT_BYTES} are the most, send them in parts`;
      throw new EngineError('HK_REQUEST_INVALID', text);
    }
    if (data.length === 0) return;
    while (!backlog.ended && !console.type(data)) await sleep(TYPE_AGAIN_MS);
  };

  try {
    const history = readHistory(stateDir, first.done === true ? 0 : first.value.historyBytes);
    if (history.length > 0) outlet.send({ data: history });
    const typing = typeAll();
    // A mistake in what is typed ends the call; the end of it does not.
    typing.catch(() => backlog.end());
    for (let more = await backlog.take(); more !== undefined; more = await backlog.take()) {
      if (!outlet.send(more)) await outlet.drained();
    }
    if (!signal.aborted && keeper.exit === undefined) await typing;
  } finally {
    stopListening();
    stopWatching();
  }
}

/** The end of the console's log. Read at once, so that nothing comes between it and what follows. */
function readHistory(stateDir: string, wantedBytes: number): Uint8Array {
  if (wantedBytes === 0) return new Uint8Array();
  try {
    const fd = openSync(path.join(stateDir, MACHINE_FILES.consoleLog), 'r');
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(Math.min(size, wantedBytes, MAX_HISTORY_BYTES));
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, size - bytes.length));
    } finally {
      closeSync(fd);
    }
  } catch {
    return new Uint8Array();
  }
}
