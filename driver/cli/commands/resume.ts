import { resumeHost } from '../../host/run-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const resume = defineCommand({
  usage: '[machine...]',
  describe: 'Lets suspended machines go on and waits for their Docker; those that run are left alone.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const machine = await context.store.load(name);
      progress.phase(`Resuming "${name}"`);
      await resumeHost(context.store, machine, {
        signal: context.signal,
        onBooted: () => progress.phase(`Waiting for Docker on "${name}"`),
      });
      progress.done();
      context.output.say(`Machine "${name}" runs.`);
      return { state: 'Running', url: await machine.requireDriver().getURL() };
    }),
});
