import { readFileSync } from 'node:fs';
import type { Store } from '../test/support/machines';
import { compare, type Measurement, median } from './support/measurement';
import { hyperkit, type Mode, makeImage, openUsedStore, seconds, WARM_ROUNDS } from './support/warm-runs';

const NAMES = Array.from({ length: 8 }, (_, at) => `bench-${at + 1}`);

/** Machines as `create` makes them unless told: one processor, 1024 MB. */
const DEFAULT_SIZE: readonly string[] = [];

/** Eight machines by one `hyperkit create`: seconds until all are Docker hosts, and what they cost of the host's memory. */
export async function measure(): Promise<Measurement> {
  await makeImage(DEFAULT_SIZE);
  const store = await openUsedStore(DEFAULT_SIZE);
  try {
    const warm: Outcome[] = [];
    for (let round = 0; round < WARM_ROUNDS; round++) warm.push(await create(store, 'require'));
    // Minutes, and eight are much of a sample.
    const cold = await create(store, 'never');
    return compare({
      name: 'warm-parallel-8',
      unit: 's',
      better: 'lower',
      ours: median(warm.map(({ seconds }) => seconds)),
      peers: { 'cold creates': cold.seconds },
      details: { warm, cold },
    });
  } finally {
    await store.dispose();
  }
}

interface Outcome {
  readonly seconds: number;
  readonly memoryMiB: { readonly own: number; readonly shared: number };
}

async function create(store: Store, mode: Mode): Promise<Outcome> {
  const words = ['create', '--warm', mode, '--parallel', String(NAMES.length), ...NAMES];
  const took = await seconds(async () => await hyperkit(store, words));
  const memoryMiB = memoryOf(store);
  await hyperkit(store, ['rm', '-y', ...NAMES]);
  return { seconds: took, memoryMiB };
}

/** Of the hypervisors of a store's machines: what each has for itself, and their share of what several have. */
function memoryOf(store: Store): { readonly own: number; readonly shared: number } {
  let own = 0;
  let proportional = 0;
  for (const line of store.processes().filter((process) => process.includes('qemu-system'))) {
    const rollup = readFileSync(`/proc/${Number.parseInt(line, 10)}/smaps_rollup`, 'utf8');
    const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]);
    own += kib('Private_Dirty') + kib('Private_Clean');
    proportional += kib('Pss');
  }
  return { own: Math.round(own / 1024), shared: Math.round((proportional - own) / 1024) };
}
