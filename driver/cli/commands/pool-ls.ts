import { listPools } from '../../pool/pool-record';
import { type PoolStatus, readPoolStatus } from '../../pool/pool-status';
import { formatColumns } from '../columns';
import { defineCommand } from '../command';
import { describeFailure } from '../failure';

const HEADERS = ['NAME', 'SIZE', 'READY', 'UNFINISHED', 'TAKEN', 'MEMORY', 'KEEPER'];

export const poolLs = defineCommand({
  usage: '',
  describe: 'Lists the pools of the store: machines, memory against its limit in MB, and who keeps them.',
  options: {},
  async run(_args, { store, output }) {
    const names = listPools(store.path);
    if (output.style.quiet && !output.style.json) {
      for (const name of names) output.print(name);
      return undefined;
    }
    const pools = await Promise.all(
      names.map(
        async (name) =>
          await readPoolStatus(store, name).catch((error: unknown) => ({
            name,
            error: describeFailure(error).message,
          })),
      ),
    );
    if (output.style.json) {
      output.json(pools);
      return undefined;
    }
    output.print(
      formatColumns([HEADERS, ...pools.map((pool) => ('error' in pool ? [pool.name, 'Error'] : row(pool)))]),
    );
    for (const pool of pools) if ('error' in pool) output.warn(pool.error);
    return undefined;
  },
});

function row({ name, size, ready, unfinished, taken, memoryMb, memoryLimitMb, keeper }: PoolStatus): string[] {
  const counts = [size, ready.length, unfinished.length, taken.length].map(String);
  return [name, ...counts, `${memoryMb}/${memoryLimitMb}`, keeper === null ? 'none' : `process ${keeper}`];
}
