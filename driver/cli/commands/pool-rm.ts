import { holdPool, listPools, unknownPool } from '../../pool/pool-record';
import { emptyPool, removeFrom } from '../../pool/remove-member';
import { defineCommand } from '../command';
import { confirm } from '../confirmation';
import { EXIT } from '../exit-status';
import { onePoolName } from '../machine-names';

export const poolRm = defineCommand({
  usage: '[-y] name',
  describe:
    'Removes what is left of a pool whose keeper is gone: machines that are ready or unfinished. Those that were taken stay.',
  options: { yes: { alias: 'y', type: 'boolean', default: false, describe: 'do not ask' } },
  async run({ operands, yes }, { store, output, signal }) {
    const name = onePoolName('pool rm', operands);
    if (!listPools(store.path).includes(name)) throw unknownPool(name);
    if (!yes) {
      output.warn(`WARNING: This action will delete the machines of pool "${name}" that nobody has taken.`);
      if (!(await confirm('Are you sure?', '-y', signal))) return EXIT.ok;
    }
    const machines: string[] = [];
    const held = await holdPool(store.path, name, `hyperkit pool rm ${name}`);
    let isEmpty = false;
    try {
      const remove = removeFrom(store, (text) => output.warn(text));
      await emptyPool(store, name, remove, (machine) => machines.push(machine));
      isEmpty = true;
    } finally {
      await held.release(isEmpty);
    }
    machines.sort();
    output.say(`Successfully removed ${[...machines, `pool "${name}"`].join(', ')}`);
    if (output.style.json) output.json({ name, machines, removed: true });
    return EXIT.ok;
  },
});
