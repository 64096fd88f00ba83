import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { Surroundings } from '../surroundings';
import { LastWords } from './last-words';
import { parentDeathPrefix } from './parent-death';

/** After a process is gone its output may still be held open, by a debugger for example; it is not waited for longer. */
const OUTPUT_GRACE_MS = 500;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What QEMU inherits: descriptor 3 is its QMP socket, then come its serial ports, then descriptors that are lent to it. */
export interface QemuWires {
  /** Where each serial port's output goes. */
  readonly consoles: ReadonlyArray<(bytes: Uint8Array) => void>;
  /** Descriptors, which stay the caller's; `channel` stands for one end of a new socket pair, `unused` for nothing. */
  readonly lent: ReadonlyArray<number | 'channel' | 'unused'>;
}

/** A QEMU process and its pipes. */
export interface QemuProcess {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  readonly qmp: Duplex;
  /** Our end of each serial port; output is on its way to its sink already. */
  readonly serials: readonly Duplex[];
  /** Our ends of the channels. */
  readonly channels: readonly Duplex[];
  readonly lastWords: LastWords;
  /** Ends it at once. */
  kill(): void;
  /** Settles when it is gone and its output is read. Rejects when it could not be started. */
  readonly ended: Promise<ProcessEnd>;
}

/** Starts QEMU with a socket pair for QMP and for each serial port. */
export async function startQemuProcess(
  program: string,
  qemuArguments: readonly string[],
  { consoles, lent }: QemuWires,
  surroundings: Surroundings,
): Promise<QemuProcess> {
  const prefix = await parentDeathPrefix();
  const [command = program, ...words] = [...prefix, program, ...qemuArguments];
  surroundings.signal?.throwIfAborted();
  const ends = lent.map((end) => (end === 'channel' ? 'pipe' : end === 'unused' ? 'ignore' : end));
  const child = spawn(command, words, {
    // Messages in English, whatever the user speaks: some are recognised.
    env: { ...process.env, ...surroundings.childEnvironment, LC_ALL: 'C' },
    cwd: '/',
    detached: surroundings.ownSession === true && prefix.length > 0,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...consoles.map(() => 'pipe' as const), ...ends],
  });
  if (child.pid !== undefined) surroundings.onChild?.(child.pid);
  const [, output, errors, qmp] = child.stdio;
  const serials = child.stdio.slice(4, 4 + consoles.length) as Duplex[];
  const lentFrom = 4 + consoles.length;
  const channels = lent.flatMap((end, at) => (end === 'channel' ? [child.stdio[lentFrom + at] as Duplex] : []));
  const lastWords = new LastWords();
  for (const stream of [output, errors]) {
    stream?.on('data', (chunk: Buffer) => {
      lastWords.push(chunk);
      surroundings.log?.(`qemu: ${chunk.toString('latin1').trimEnd()}`);
    });
  }
  for (const [index, serial] of serials.entries()) serial?.on('data', (chunk: Buffer) => consoles[index]?.(chunk));
  // A reset of these pipes means that the process is going; `ended` tells how.
  for (const stream of [output, errors, ...serials, ...channels]) stream?.on('error', () => undefined);
  return {
    pid: child.pid,
    qmp: qmp as Duplex,
    serials,
    channels,
    lastWords,
    kill: () => void child.kill('SIGKILL'),
    ended: waitForEnd(child),
  };
}

async function waitForEnd(child: ChildProcess): Promise<ProcessEnd> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const finish = (): void => {
        clearTimeout(timer);
        for (const stream of child.stdio) stream?.destroy();
        resolve({ code, signal });
      };
      const timer = setTimeout(finish, OUTPUT_GRACE_MS);
      child.once('close', finish);
    });
  });
}
