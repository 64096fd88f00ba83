import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { buildPeer } from '../test/support/peers';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 25;

/**
 * From exec to the address line on stdout: the time for which docker-machine stands still for each machine of `ls`.
 * Against Go's stub plugin, and against Node itself doing nothing (`node -e 0`, from exec to exit), which is the floor.
 */
export async function measure(): Promise<Measurement> {
  const plugin = path.resolve('dist/docker-machine-driver-hyperkit.cjs');
  const stub = buildPeer('stub-plugin');
  const contestants: Record<string, () => Promise<number>> = {
    ours: () => timeToAddress(plugin),
    'node -e 0': timeOfNode,
    ...(stub.available ? { 'Go stub': () => timeToAddress(stub.path) } : {}),
  };
  const times: Record<string, number[]> = {};
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const elapsedMs = await run();
      // The first round warms the page cache.
      if (round >= 0) times[name] = [...(times[name] ?? []), elapsedMs];
    }
  }
  const { ours = Number.NaN, ...peers } = Object.fromEntries(
    Object.entries(times).map(([name, list]) => [name, round2(median(list))]),
  );
  return compare({
    name: 'plugin-start',
    unit: 'ms to the address line',
    better: 'lower',
    ours,
    peers,
    details: {
      rounds: ROUNDS,
      ratioToBareNode: round2(ours / (peers['node -e 0'] ?? Number.NaN)),
      bestMs: Object.fromEntries(Object.entries(times).map(([name, list]) => [name, round2(Math.min(...list))])),
      node: process.version,
      ...(stub.available ? {} : { withoutGoStub: stub.reason }),
    },
  });
}

/** Node 20 reads NODE_EXTRA_CA_CERTS at its start, which takes longer than everything measured here. */
function cleanEnv(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, ...env } = process.env;
  return env;
}

async function timeToAddress(program: string): Promise<number> {
  const begun = performance.now();
  const child = spawn(program, [], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...cleanEnv(), MACHINE_PLUGIN_TOKEN: '42' },
  });
  await once(child.stdout, 'data');
  const elapsedMs = performance.now() - begun;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return elapsedMs;
}

async function timeOfNode(): Promise<number> {
  const begun = performance.now();
  const child = spawn('node', ['-e', '0'], { stdio: ['ignore', 'pipe', 'ignore'], env: cleanEnv() });
  await once(child, 'exit');
  return performance.now() - begun;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
