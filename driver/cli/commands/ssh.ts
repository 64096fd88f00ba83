import type { DriverError } from '../../errors';
import { logIn, requireRunning } from '../../host/running-machine';
import { attachCommand, NO_STATUS } from '../../session/attach-command';
import { openLocalForward, parseLocalForward } from '../../ssh/local-forward';
import type { SshConnection } from '../../ssh/ssh-connection';
import { defineCommand } from '../command';
import { printFailure } from '../failure';
import { oneMachineName } from '../machine-names';

/** Failures of the way to the command; what it answers itself can be any status. */
const NO_WAY = /^HK_(HOST_NOT_RUNNING|SSH_)/;

export const ssh = defineCommand({
  usage: '[options] machine [command..]',
  describe:
    'Runs a command in a machine, or without one a shell. Its exit status is the status of the command; 255 when there is none.',
  options: {
    L: {
      type: 'string',
      array: true,
      describe: 'forward a port of this host into the guest: [bind:]port:host:hostport',
    },
    N: { type: 'boolean', default: false, describe: 'no command: only the forwards' },
    t: { type: 'boolean', default: false, describe: 'with a terminal in the guest, also when this is none' },
    T: { type: 'boolean', default: false, describe: 'without a terminal in the guest' },
  },
  endsAtOperand: true,
  async run({ operands, L = [], N: forwardsOnly, t, T }, context) {
    const [named, ...words] = operands;
    const name = oneMachineName('ssh', named === undefined ? [] : [named]);
    const forwards = L.map(parseLocalForward);
    // docker-machine wants a `--` before the command, and takes it away.
    const command = (words[0] === '--' ? words.slice(1) : words).join(' ');
    let connection: SshConnection | undefined;
    const listening: { close(): void }[] = [];
    try {
      connection = await logIn(await requireRunning(context, name, 'Cannot run SSH command'), context);
      for (const forward of forwards) {
        listening.push(await openLocalForward(connection, forward, (text) => context.output.warn(text)));
      }
      if (forwardsOnly) return await waitForEnd(connection, context.signal);
      const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
      const session = {
        command: command === '' ? undefined : command,
        terminal: !T && (t || isTerminal),
        signal: context.signal,
      };
      return await attachCommand(connection, session, process);
    } catch (error) {
      const isNoWay = NO_WAY.test(String((error as Partial<DriverError>).code));
      if (!isNoWay) throw error;
      printFailure(context.output, error);
      return NO_STATUS;
    } finally {
      for (const forward of listening) forward.close();
      connection?.close();
    }
  },
});

/** Until the user or the guest has enough. */
async function waitForEnd(connection: SshConnection, signal: AbortSignal): Promise<number> {
  const either = AbortSignal.any([connection.ended, signal]);
  if (!either.aborted) await new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }));
  if (signal.aborted) return 0;
  throw connection.ended.reason;
}
