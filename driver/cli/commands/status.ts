import { stateName } from '../../host/machine-state';
import { defineCommand } from '../command';
import { oneMachineName } from '../machine-names';

export const status = defineCommand({
  usage: '[machine]',
  describe: "Prints a machine's state: Running, Stopped, Saved, Paused or Starting.",
  options: {},
  async run({ operands }, { store, output }) {
    const machine = await store.load(oneMachineName('status', operands));
    const state = stateName(await machine.requireDriver().getState());
    if (output.style.json) output.json({ name: machine.name, state });
    else output.print(state);
    return undefined;
  },
});
