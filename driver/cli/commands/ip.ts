import { defineCommand } from '../command';
import { forEachMachine } from '../each-machine';
import { machineNames } from '../machine-names';

export const ip = defineCommand({
  usage: '[machine...]',
  describe: 'Prints the addresses of running machines.',
  options: {},
  run: async ({ operands }, context) =>
    await forEachMachine(
      context,
      machineNames(operands),
      async (name) => {
        const address = await (await context.store.load(name)).requireDriver().getIP();
        if (!context.output.style.json) context.output.print(address);
        return { address };
      },
      1,
    ),
});
