import { DriverError } from '../errors';
import type { CommandOptions, CommandResult } from './command-result';
import type { RemoteCommand } from './remote-command';

const DEADLINE_MS = 120_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** Commands carry certificates; messages don't. */
const SHOWN_LENGTH = 60;

/**
 * Gives a command its input and takes its output until it has ended.
 * @param whyLost tells why the connection is gone, if it is
 * @throws DriverError HK_SSH_LOST, HK_SSH_TIMEOUT, HK_SSH_COMMAND_FAILED
 */
export async function collectCommand(
  { channel, ended }: RemoteCommand,
  command: string,
  options: CommandOptions,
  whyLost: () => DriverError | undefined,
): Promise<CommandResult> {
  const { stdin = '', deadlineMs = DEADLINE_MS } = options;
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let length = 0;
  return await new Promise((resolve, reject) => {
    const fail = (error: DriverError): void => {
      clearTimeout(timer);
      channel.close();
      reject(error);
    };
    const timer = setTimeout(() => {
      // OpenSSH passes it on; a server that doesn't leaves the command to its closed streams.
      channel.signal('KILL');
      const text = `"${shorten(command)}" did not end within ${deadlineMs / 1000} s`;
      fail(new DriverError('HK_SSH_TIMEOUT', text));
    }, deadlineMs);
    const take = (into: Buffer[]) => (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_OUTPUT_BYTES) into.push(chunk);
      else {
        const text = `"${shorten(command)}" says more than ${MAX_OUTPUT_BYTES} bytes`;
        fail(new DriverError('HK_SSH_COMMAND_FAILED', text));
      }
    };
    channel.on('data', take(stdout));
    channel.stderr.on('data', take(stderr));
    void ended.then((code) => {
      clearTimeout(timer);
      const lost = whyLost();
      if (code === undefined && lost !== undefined) reject(lost);
      else resolve({ code: code ?? null, stdout: text(stdout), stderr: text(stderr) });
    });
    channel.end(stdin);
  });
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

function shorten(command: string): string {
  const [line = ''] = command.split('\n');
  return line === command && line.length <= SHOWN_LENGTH ? line : `${line.slice(0, SHOWN_LENGTH)}...`;
}
