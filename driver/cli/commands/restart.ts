import { restartHost } from '../../host/run-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const restart = defineCommand({
  usage: '[machine...]',
  describe: 'Shuts machines down and starts them again; stopped ones are started.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const machine = await context.store.load(name);
      progress.phase(`Restarting "${name}"`);
      await restartHost(context.store, machine, {
        signal: context.signal,
        onBooted: () => progress.phase(`Waiting for Docker on "${name}"`),
      });
      progress.done();
      context.output.say(`Machine "${name}" was restarted.`);
      return { state: 'Running', url: await machine.requireDriver().getURL() };
    }),
});
