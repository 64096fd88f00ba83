import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const url = defineCommand({
  usage: '[machine...]',
  describe: 'Prints what DOCKER_HOST is for running machines.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(
      context,
      machineNames(operands),
      async (name) => {
        const location = await (await context.store.load(name)).requireDriver().getURL();
        if (!context.output.style.json) context.output.print(location);
        return { url: location };
      },
      1,
    ),
});
