import type { ClientChannel } from 'ssh2';

/** A command in the guest. */
export interface RemoteCommand {
  /** Its streams: the channel is stdin and stdout. */
  readonly channel: ClientChannel;
  /**
   * Resolves when everything is closed: with its exit status, null when a signal ended it, undefined when there was no
   * word of it.
   */
  readonly ended: Promise<number | null | undefined>;
}

/** To be called as soon as there is a channel: a short command's end comes in the same packet as its beginning. */
export function watchCommand(channel: ClientChannel): RemoteCommand {
  let status: number | null | undefined;
  channel.on('exit', (code: number | null) => {
    status = code;
  });
  channel.on('error', () => undefined); // Input that the command doesn't take.
  const ended = new Promise<typeof status>((resolve) => channel.once('close', () => resolve(status)));
  return { channel, ended };
}
