import type { Store } from '../test/support/machines';
import { compare, type Measurement, median } from './support/measurement';
import {
  COLD_ROUNDS,
  hyperkit,
  type Mode,
  makeImage,
  openUsedStore,
  SIZE,
  seconds,
  WARM_ROUNDS,
} from './support/warm-runs';

/** `hyperkit create`, whole: a machine that goes on from a warm image against one that boots. */
export async function measure(): Promise<Measurement> {
  await makeImage();
  const store = await openUsedStore();
  const runs: Record<Mode, number[]> = { require: [], never: [] };
  try {
    for (let round = 0; round < WARM_ROUNDS; round++) {
      runs.require.push(await create(store, 'require'));
      if (round < COLD_ROUNDS) runs.never.push(await create(store, 'never'));
    }
  } finally {
    await store.dispose();
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

async function create(store: Store, mode: Mode): Promise<number> {
  const took = await seconds(async () => await hyperkit(store, ['create', '--warm', mode, ...SIZE, 'bench']));
  await hyperkit(store, ['rm', '-y', 'bench']);
  return took;
}
