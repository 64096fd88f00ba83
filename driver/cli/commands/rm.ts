import { removeHost } from '../../host/remove-host';
import { defineCommand, type OptionTable } from '../command';
import { confirm } from '../confirmation';
import { forEachMachine } from '../each-machine';
import { EXIT } from '../exit-status';
import { namedMachines } from '../machine-names';

/** Whoever deletes data asks before. */
export const REMOVAL_OPTIONS = {
  yes: { alias: 'y', type: 'boolean', default: false, describe: 'do not ask' },
  force: {
    alias: 'f',
    type: 'boolean',
    default: false,
    describe: 'do not ask, and remove also what is damaged or busy',
  },
} as const satisfies OptionTable;

export const rm = defineCommand({
  usage: '[-y] machine...',
  describe: 'Ends machines and deletes them with all their data.',
  options: REMOVAL_OPTIONS,
  async run({ operands, yes, force }, context) {
    const { store, output, signal } = context;
    const names = namedMachines('rm', operands);
    if (!yes && !force) {
      output.say(`About to remove ${names.join(', ')}`);
      output.warn('WARNING: This action will delete both local reference and remote instance.');
      if (!(await confirm('Are you sure?', '-y', signal))) return EXIT.ok;
    }
    return await forEachMachine(context, names, async (name) => {
      await removeHost(store, name, { force, onWarning: (text) => output.warn(text) });
      output.say(`Successfully removed ${name}`);
      return { removed: true };
    });
  },
});
