import path from 'node:path';
import { Store } from '../../test/support/machines';
import { buildPeer } from '../../test/support/peers';
import { run } from '../../test/support/run';

const DEADLINE_MS = 600_000;
export const WARM_ROUNDS = 5;
/** Cold creates take their time, and their spread is small. */
export const COLD_ROUNDS = 3;

/** What is measured alone has a processor for each of the host's two. */
export const SIZE = ['--hyperkit-cpu-count', '2', '--hyperkit-memory-size', '1024'] as const;

export type Mode = 'never' | 'require';

/** Stores with docker-machine in front of them. @throws Error when there is none */
export function openStore(mode: Mode): Store {
  const client = buildPeer('docker-machine');
  if (!client.available) throw new Error(`cannot measure creates: ${client.reason}`);
  return new Store(client.path, { HYPERKIT_WARM: mode });
}

/** A store as it is from its second machine on: with certificates, and with the ISO in its cache. Use `--warm` with it. */
export async function openUsedStore(size: readonly string[] = SIZE): Promise<Store> {
  const store = openStore('require');
  await hyperkit(store, ['create', ...size, 'first']);
  await hyperkit(store, ['rm', '-y', 'first']);
  return store;
}

/** Makes the image that the measured machines go on from. */
export async function makeImage(size: readonly string[] = SIZE): Promise<void> {
  const store = openStore('require');
  try {
    await hyperkit(store, ['image', 'warm', ...size]);
  } finally {
    await store.dispose();
  }
}

/** Runs the command and answers its whole output. @throws Error when it fails */
export async function hyperkit(
  store: Store,
  words: readonly string[],
  heard?: (text: string) => void,
): Promise<string> {
  const options = { env: store.env, deadlineMs: DEADLINE_MS, ...(heard && { heard }) };
  const { code, output } = await run(process.execPath, [path.resolve('dist/hyperkit.cjs'), ...words], options);
  if (code !== 0) throw new Error(`hyperkit ${words.join(' ')}: exit ${code}\n${output}`);
  return output;
}

/** Seconds that it takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return round2((performance.now() - began) / 1000);
}

export function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
