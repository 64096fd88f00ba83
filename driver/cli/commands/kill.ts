import { killHost } from '../../host/run-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const kill = defineCommand({
  usage: '[machine...]',
  describe: "Pulls machines' plugs: unsaved data of their containers is lost. Works while another command hangs.",
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const machine = await context.store.load(name);
      progress.phase(`Killing "${name}"`);
      await killHost(machine);
      progress.done();
      context.output.say(`Machine "${name}" was killed.`);
      return { state: 'Stopped' };
    }),
});
