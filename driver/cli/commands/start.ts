import { startHost } from '../../host/run-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const start = defineCommand({
  usage: '[machine...]',
  describe: 'Starts machines and waits for their Docker.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const machine = await context.store.load(name);
      progress.phase(`Starting "${name}"`);
      await startHost(context.store, machine, {
        signal: context.signal,
        onBooted: () => progress.phase(`Waiting for Docker on "${name}"`),
      });
      progress.done();
      context.output.say(`Machine "${name}" was started.`);
      return { state: 'Running', url: await machine.requireDriver().getURL() };
    }),
});
