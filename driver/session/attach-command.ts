import type { ReadStream } from 'node:tty';
import type { SshConnection } from '../ssh/ssh-connection';
import { copyStream, type LocalStreams, terminalSize } from './local-streams';
import { enterRawMode } from './raw-mode';

/** What is run, and how. */
export interface AttachedCommand {
  /** Undefined: the user's shell. */
  readonly command: string | undefined;
  /** With a terminal in the guest; without one the three streams stay apart and clean. */
  readonly terminal: boolean;
  /** Hangs up. */
  readonly signal: AbortSignal;
}

/** What ssh answers when there is no exit status: a signal ended the command, or the connection broke. */
export const NO_STATUS = 255;

/**
 * Runs a command in the guest on the user's own terminal or pipes; answers its exit status.
 * @throws DriverError HK_SSH_LOST, HK_SSH_COMMAND_FAILED; the signal's reason
 */
export async function attachCommand(
  connection: SshConnection,
  { command, terminal, signal }: AttachedCommand,
  { stdin, stdout, stderr }: LocalStreams,
): Promise<number> {
  const term = process.env['TERM'] ?? 'vt100';
  const { channel, ended } = await connection.openCommand(
    command,
    terminal ? { term, ...terminalSize(stdout) } : undefined,
  );
  const undo: (() => void)[] = [];
  try {
    if (terminal) {
      if (stdin.isTTY) undo.push(enterRawMode(stdin as ReadStream));
      const onResize = (): void => {
        const { cols, rows } = terminalSize(stdout);
        channel.setWindow(rows, cols, 0, 0);
      };
      stdout.on('resize', onResize);
      undo.push(() => stdout.off('resize', onResize));
    }
    const outputs: (() => void)[] = [];
    const hangUp = (): void => {
      channel.close();
      // What is still on its way goes nowhere; it has to be taken before the channel is closed.
      for (const stop of outputs) stop();
      channel.resume();
      channel.stderr.resume();
    };
    signal.addEventListener('abort', hangUp);
    undo.push(() => signal.removeEventListener('abort', hangUp));
    // Whoever reads us has gone (`… | head`): nobody wants to know more.
    outputs.push(copyStream(channel, stdout, hangUp), copyStream(channel.stderr, stderr, hangUp));
    // A command that doesn't read its input is no fault; its exit tells how it went.
    undo.push(copyStream(stdin, channel, () => undefined));
    const onEnd = (): void => {
      channel.end();
    };
    stdin.on('end', onEnd).on('error', onEnd);
    undo.push(() => stdin.off('end', onEnd).off('error', onEnd));
    const status = await ended;
    signal.throwIfAborted();
    if (status === undefined && connection.ended.aborted) throw connection.ended.reason as Error;
    return status ?? NO_STATUS;
  } finally {
    for (const step of undo.reverse()) step();
    // A terminal or pipe that is waited on would keep this process alive.
    (stdin as Partial<ReadStream>).unref?.();
  }
}
