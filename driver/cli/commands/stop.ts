import { stopHost } from '../../host/run-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const stop = defineCommand({
  usage: '[machine...]',
  describe: 'Shuts machines down by their power button and waits for it.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const machine = await context.store.load(name);
      progress.phase(`Stopping "${name}"`);
      await stopHost(machine, context.signal);
      progress.done();
      context.output.say(`Machine "${name}" was stopped.`);
      return { state: 'Stopped' };
    }),
});
