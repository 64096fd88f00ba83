import type { Socket } from 'node:net';
import type { ReadStream } from 'node:tty';
import { copyStream, type LocalStreams } from './local-streams';
import { enterRawMode } from './raw-mode';

/** Ctrl-], telnet's, which no shell or editor in the guest is waiting for. */
export const DETACH_KEY = 'Ctrl-]';
const DETACH_BYTE = 0x1d;

/** How a visit to the console ended. */
export type ConsoleEnd = 'detached' | 'machine-ended';

/**
 * Joins the user's terminal, or pipes, with a machine's serial line until one of them has enough: the detach key or the
 * end of the input, or the end of the machine.
 */
export async function attachConsole(
  console: Socket,
  { stdin, stdout }: Pick<LocalStreams, 'stdin' | 'stdout'>,
  signal: AbortSignal,
): Promise<ConsoleEnd> {
  const undo: (() => void)[] = [];
  try {
    return await new Promise<ConsoleEnd>((resolve) => {
      const detach = (): void => resolve('detached');
      signal.addEventListener('abort', detach);
      console.once('close', () => resolve('machine-ended')).on('error', () => undefined);
      undo.push(copyStream(console, stdout, detach));
      const onInput = (bytes: Uint8Array): void => {
        const end = stdin.isTTY ? bytes.indexOf(DETACH_BYTE) : -1;
        if (!console.write(end < 0 ? bytes : bytes.subarray(0, end))) stdin.pause();
        if (end >= 0) detach();
      };
      const onDrain = (): void => void stdin.resume();
      console.on('drain', onDrain);
      stdin.on('data', onInput).once('end', detach);
      undo.push(() => stdin.off('data', onInput).off('end', detach).pause());
      if (stdin.isTTY) undo.push(enterRawMode(stdin as ReadStream));
      if (signal.aborted) detach();
    });
  } finally {
    for (const step of undo.reverse()) step();
    console.end();
    (stdin as Partial<ReadStream>).unref?.();
  }
}
