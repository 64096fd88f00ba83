import { connectConsole } from '../../../engine/console/connect-console';
import { requireRunning } from '../../host/running-machine';
import { attachConsole, DETACH_KEY } from '../../session/attach-console';
import { defineCommand } from '../command';
import { oneMachineName } from '../machine-names';

export const console = defineCommand({
  usage: '[options] [machine]',
  describe: `Attaches to a machine's serial console, also where SSH doesn't answer. ${DETACH_KEY} detaches.`,
  options: {},
  async run({ operands }, context) {
    const name = oneMachineName('console', operands);
    const machine = await requireRunning(context, name, 'Cannot attach to the console');
    const line = await connectConsole(machine.folder);
    const { stdin } = process;
    if (stdin.isTTY)
      context.output.say(`Attached to the console of ${name}; ${DETACH_KEY} detaches, Enter wakes it up.`);
    const end = await attachConsole(line, process, context.signal);
    // The cursor is where the guest left it.
    if (stdin.isTTY) context.output.say(end === 'detached' ? '\nDetached.' : `\nMachine "${name}" has ended.`);
    return undefined;
  },
});
