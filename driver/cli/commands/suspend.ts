import { suspendHost } from '../../host/suspend-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const suspend = defineCommand({
  usage: '[machine...]',
  describe: 'Saves machines as they run, and ends them; resume and start let them go on.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const machine = await context.store.load(name);
      progress.phase(`Suspending "${name}"`);
      await suspendHost(machine, context.signal);
      progress.done();
      context.output.say(`Machine "${name}" was suspended.`);
      return { state: 'Saved' };
    }),
});
