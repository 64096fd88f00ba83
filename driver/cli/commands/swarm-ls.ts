import { listSwarms } from '../../swarm/swarm-record';
import { readSwarmStatus, type SwarmStatus } from '../../swarm/swarm-status';
import { formatColumns } from '../columns';
import { defineCommand } from '../command';
import { describeFailure } from '../failure';

export const swarmLs = defineCommand({
  usage: '',
  describe: 'Lists the swarms of the store with their managers and workers.',
  options: {},
  async run(_args, { store, output, signal }) {
    const names = await listSwarms(store.path);
    if (output.style.quiet && !output.style.json) {
      for (const name of names) output.print(name);
      return undefined;
    }
    const swarms = await Promise.all(
      names.map(async (name): Promise<SwarmStatus & { readonly error?: string }> => {
        try {
          return await readSwarmStatus(store, name, signal);
        } catch (error) {
          signal.throwIfAborted();
          return { name, managers: [], workers: [], state: 'Error', error: describeFailure(error).message };
        }
      }),
    );
    if (output.style.json) {
      output.json(swarms);
      return undefined;
    }
    const rows = swarms.map(({ name, managers, workers, state }) => [
      name,
      String(managers.length),
      String(workers.length),
      state,
    ]);
    output.print(formatColumns([['NAME', 'MANAGERS', 'WORKERS', 'STATE'], ...rows]));
    for (const { error } of swarms) if (error !== undefined) output.warn(error);
    return undefined;
  },
});
