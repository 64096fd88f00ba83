import { listPools } from '../pool/pool-record';
import { readPoolStatus } from '../pool/pool-status';
import type { MachineStore } from '../store/machine-store';
import type { Finding } from './finding';

/** Every pool of the store: whether somebody keeps it. Nothing amiss is no finding. */
export async function checkPools(store: MachineStore): Promise<readonly Finding[]> {
  const findings = await Promise.all(listPools(store.path).map(async (pool) => await checkPool(store, pool)));
  return findings.filter((finding) => finding !== undefined);
}

async function checkPool(store: MachineStore, pool: string): Promise<Finding | undefined> {
  const subject = `pool ${pool}`;
  const mend = `hyperkit pool rm -y ${pool}`;
  try {
    const { keeper, ready, unfinished } = await readPoolStatus(store, pool);
    if (keeper !== null) return undefined;
    const text = `nobody keeps it; ${ready.length} machines of it are ready, ${unfinished.length} unfinished`;
    return { subject, level: 'warn', text, mend };
  } catch (error) {
    return { subject, level: 'fail', text: (error as Error).message, mend };
  }
}
