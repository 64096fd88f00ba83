import { compare, type Measurement, median } from './support/measurement';
import {
  COLD_ROUNDS,
  hyperkit,
  type Mode,
  makeImage,
  openStore,
  SIZE,
  seconds,
  WARM_ROUNDS,
} from './support/warm-runs';

/** `hyperkit create`, whole: a machine that goes on from a warm image against one that boots. */
export async function measure(): Promise<Measurement> {
  await makeImage();
  const runs: Record<Mode, number[]> = { require: [], never: [] };
  for (let round = 0; round < WARM_ROUNDS; round++) {
    runs.require.push(await create('require'));
    if (round < COLD_ROUNDS) runs.never.push(await create('never'));
  }
  return compare({
    name: 'warm-create',
    unit: 's',
    better: 'lower',
    ours: median(runs.require),
    peers: { 'cold create': median(runs.never) },
    details: { seconds: { warm: runs.require, cold: runs.never } },
  });
}

async function create(mode: Mode): Promise<number> {
  const store = openStore(mode);
  try {
    return await seconds(async () => await hyperkit(store, ['create', ...SIZE, 'bench']));
  } finally {
    await store.dispose();
  }
}
