import { spawn } from 'node:child_process';
import type { CommandLine } from '../../../test/support/namespace';
import { until } from '../../../test/support/until';

/** A program that runs beside a measurement: a gateway or a server. */
export interface RunningProgram {
  readonly pid: number;
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>;
}

const DEADLINE_MS = 15_000;
const GRACE_MS = 3_000;

/**
 * Starts a program and waits until it is ready, which `isReady` sees in what it said so far on stdout and stderr or
 * finds out otherwise. Rejects with its words when it ends before that, or takes more than 15 s.
 */
export async function startProgram(
  name: string,
  [program, args]: CommandLine,
  isReady: (said: string) => boolean | Promise<boolean>,
): Promise<RunningProgram> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const hear = (text: string): void => {
    said = (said + text).slice(-4_096);
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  // Not even a measurement that fails at an unexpected place leaves it behind.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let end: string | undefined;
  const ended = new Promise<void>((resolve) => {
    const note = (how: string): void => {
      end = how;
      process.off('exit', kill);
      resolve();
    };
    child.once('error', (error) => note(error.message));
    child.once('close', (code, signal) => note(`it ended with ${signal ?? code}`));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(kill, GRACE_MS);
    await ended;
    clearTimeout(timer);
  };
  const look = (): boolean | Promise<boolean> => {
    if (end !== undefined) throw new Error(end);
    return isReady(said);
  };
  try {
    await until('its start', look, DEADLINE_MS);
  } catch (error) {
    await stop();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot start ${name}: ${reason}\n${said.trim()}`, { cause: error });
  }
  if (child.pid === undefined) throw new Error(`cannot start ${name}`);
  return { pid: child.pid, stop };
}
