import { compare, type Measurement, median } from './support/measurement';
import { COLD_ROUNDS, type Mode, makeImage, openStore, round2, SIZE, WARM_ROUNDS } from './support/warm-runs';

const DEADLINE_MS = 600_000;

/** docker-machine's own words, each of which begins a part of its sequence. */
const PARTS = [
  ['checks', 'Running pre-create checks'],
  ['machine', 'Creating machine...'],
  ['detect', 'Waiting for machine to be running'],
  ['provision', 'Provisioning with boot2docker'],
  ['verify', 'Checking connection'],
] as const;

/** `docker-machine create`, whole, with its fixed sequence: warm against cold. */
export async function measure(): Promise<Measurement> {
  await makeImage();
  const runs: Record<Mode, Record<string, number>[]> = { require: [], never: [] };
  for (let round = 0; round < WARM_ROUNDS; round++) {
    runs.require.push(await create('require'));
    if (round < COLD_ROUNDS) runs.never.push(await create('never'));
  }
  const total = (mode: Mode): number => median(runs[mode].map((parts) => parts['total'] ?? Number.NaN));
  return compare({
    name: 'warm-create-docker-machine',
    unit: 's',
    better: 'lower',
    ours: total('require'),
    peers: { 'cold create': total('never') },
    details: { seconds: { warm: runs.require, cold: runs.never } },
  });
}

async function create(mode: Mode): Promise<Record<string, number>> {
  const store = openStore(mode);
  const began = performance.now();
  const heard = new Map<string, number>();
  let said = '';
  try {
    await store.succeed(['create', '-d', 'hyperkit', ...SIZE, 'bench'], {
      deadlineMs: DEADLINE_MS,
      heard: (text) => {
        said += text;
        for (const [part, words] of PARTS)
          if (!heard.has(part) && said.includes(words)) heard.set(part, performance.now());
      },
    });
    const end = performance.now();
    const starts = [...heard];
    const parts = starts.map(
      ([part, from], at) => [part, round2(((starts[at + 1]?.[1] ?? end) - from) / 1000)] as const,
    );
    return { ...Object.fromEntries(parts), total: round2((end - began) / 1000) };
  } finally {
    await store.dispose();
  }
}
