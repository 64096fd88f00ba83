import { removeSwarm } from '../../swarm/remove-swarm';
import { hasSwarm } from '../../swarm/swarm-network';
import { unknownSwarm } from '../../swarm/swarm-record';
import { defineCommand } from '../command';
import { confirm } from '../confirmation';
import { EXIT } from '../exit-status';
import { oneSwarmName } from '../machine-names';
import { Progress } from '../progress';
import { REMOVAL_OPTIONS } from './rm';

export const swarmRm = defineCommand({
  usage: '[-y] name',
  describe: 'Removes a swarm with its machines and all their data.',
  options: REMOVAL_OPTIONS,
  async run({ operands, yes, force }, { store, output, signal }) {
    const name = oneSwarmName('swarm rm', operands);
    if (!hasSwarm(store.path, name)) throw unknownSwarm(name);
    if (!yes && !force) {
      output.warn(`WARNING: This action will delete the machines of swarm "${name}" with all their data.`);
      if (!(await confirm('Are you sure?', '-y', signal))) return EXIT.ok;
    }
    const progress = new Progress(output, name, true);
    const machines: string[] = [];
    try {
      await removeSwarm(store, name, {
        force,
        signal,
        onPhase: (text) => progress.phase(text),
        onRemoved: (machine) => machines.push(machine),
        onWarning: (text) => output.warn(text),
      });
    } catch (error) {
      progress.failed();
      throw error;
    }
    progress.done();
    output.say(`Successfully removed ${[...machines, `swarm "${name}"`].join(', ')}`);
    if (output.style.json) output.json({ name, machines, removed: true });
    return EXIT.ok;
  },
});
