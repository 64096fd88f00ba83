import { upgradeHost } from '../../host/upgrade-host';
import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const upgrade = defineCommand({
  usage: '[machine...]',
  describe: 'Gives machines the current ISO, and with it the current Docker; they run afterwards.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(context, machineNames(operands), async (name, progress) => {
      const { store, output, signal, programsDir } = context;
      const machine = await store.load(name);
      progress.phase(`Upgrading "${name}"`);
      const version = await upgradeHost(store, machine, { logger: output.loggerOf(name), signal, programsDir });
      progress.done();
      output.say(`Machine "${name}" was upgraded to boot2docker ${version ?? 'of unknown version'}.`);
      return { state: 'Running', version };
    }),
});
