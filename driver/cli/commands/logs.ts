import { once } from 'node:events';
import { readConsoleLog } from '../../../engine/console/follow-log';
import { PlainLines } from '../../../engine/console/plain-lines';
import { DriverError } from '../../errors';
import { logIn, requireRunning } from '../../host/running-machine';
import { attachCommand } from '../../session/attach-command';
import { type CommandContext, defineCommand } from '../command';
import { oneMachineName } from '../machine-names';

/** boot2docker's place for it. */
const DAEMON_LOG = '/var/lib/boot2docker/log/docker.log';

export const logs = defineCommand({
  usage: '[options] [machine]',
  describe:
    "Shows a machine's console since its last start. On a terminal it is made harmless; into a file or pipe it goes as it is.",
  options: {
    follow: { alias: 'f', type: 'boolean', default: false, describe: 'go on, also when the machine is started again' },
    tail: { alias: 'n', type: 'string', describe: 'only the last N lines' },
    daemon: { type: 'boolean', default: false, describe: "the log of the machine's Docker daemon instead, by SSH" },
  },
  async run({ operands, follow, tail, daemon }, context) {
    const name = oneMachineName('logs', operands);
    const lines = parseTail(tail);
    if (daemon) return await showDaemonLog(name, lines, follow, context);
    // Stopped machines have a console log, too, and of other drivers' there is none.
    const machine = await context.store.load(name);
    machine.requireDriver();
    await showConsoleLog(machine.folder, { tail: lines, follow, signal: context.signal });
    return undefined;
  },
});

function parseTail(text: string | undefined): number | undefined {
  if (text === undefined || text === 'all') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new DriverError('HK_USAGE', `cannot use --tail ${text}: give a number of lines, or all`);
}

async function showConsoleLog(folder: string, reading: Parameters<typeof readConsoleLog>[1]): Promise<void> {
  const { stdout } = process;
  const plain = new PlainLines();
  let gone = false;
  // `… | head` has read enough.
  stdout.on('error', () => {
    gone = true;
  });
  const write = async (output: string | Uint8Array): Promise<void> => {
    if (output.length > 0 && !stdout.write(output) && !gone) await once(stdout, 'drain').catch(() => undefined);
  };
  const asLines = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
  for await (const bytes of readConsoleLog(folder, reading)) {
    await write(stdout.isTTY ? asLines(plain.push(bytes)) : bytes);
    if (gone) return;
  }
  if (stdout.isTTY) await write(asLines(plain.end()));
}

async function showDaemonLog(
  name: string,
  lines: number | undefined,
  follow: boolean,
  context: CommandContext,
): Promise<number> {
  const machine = await requireRunning(context, name, 'Cannot read the log of Docker');
  const connection = await logIn(machine, context);
  try {
    const command = `sudo tail -n ${lines ?? '+1'} ${follow ? '-F ' : ''}${DAEMON_LOG}`;
    return await attachCommand(connection, { command, terminal: false, signal: context.signal }, process);
  } finally {
    connection.close();
  }
}
