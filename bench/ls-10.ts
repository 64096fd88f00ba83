import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildPeer } from '../test/support/peers';
import { compare, type Measurement, median } from './support/measurement';
import { fillStore } from './support/stopped-machines';

const MACHINES = 10;
const ROUNDS = 9;

/**
 * `docker-machine ls` with ten stopped machines of ours, against ten of Go's stub driver. The client starts one plugin
 * per machine, one after the other, so this is the start, five calls and the end of ten plugin processes.
 */
export async function measure(): Promise<Measurement> {
  const client = buildPeer('docker-machine');
  const stub = buildPeer('stub-plugin');
  if (!client.available) throw new Error(`cannot measure ls: ${client.reason}`);
  if (!stub.available) throw new Error(`cannot measure ls: ${stub.reason}`);

  const folder = await mkdtemp(path.join(tmpdir(), 'hk-bench-'));
  try {
    const bin = path.join(folder, 'bin');
    await mkdir(bin);
    await symlink(
      path.resolve('dist/docker-machine-driver-hyperkit.cjs'),
      path.join(bin, 'docker-machine-driver-hyperkit'),
    );
    await symlink(stub.path, path.join(bin, 'docker-machine-driver-stub'));
    const stores = {
      ours: await fillStore(path.join(folder, 'hyperkit'), 'hyperkit', MACHINES),
      'Go stub': await fillStore(path.join(folder, 'stub'), 'stub', MACHINES, { Stopped: true }),
    };
    const times: Record<keyof typeof stores, number[]> = { ours: [], 'Go stub': [] };
    for (let round = -1; round < ROUNDS; round++) {
      for (const name of ['ours', 'Go stub'] as const) {
        const elapsedMs = await list(client.path, bin, stores[name]);
        // The first round warms the page cache.
        if (round >= 0) times[name].push(elapsedMs);
      }
    }
    return compare({
      name: 'ls-10',
      unit: 'ms',
      better: 'lower',
      ours: Math.round(median(times.ours)),
      peers: { 'Go stub': Math.round(median(times['Go stub'])) },
      details: {
        rounds: ROUNDS,
        bestMs: { ours: Math.round(Math.min(...times.ours)), 'Go stub': Math.round(Math.min(...times['Go stub'])) },
        node: process.version,
      },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function list(client: string, bin: string, store: string): Promise<number> {
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, ...env } = process.env;
  const begun = performance.now();
  const child = spawn(client, ['ls'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, PATH: `${bin}:${env['PATH']}`, MACHINE_STORAGE_PATH: store, MACHINE_BUGSNAG_API_TOKEN: 'no-report' },
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  await once(child, 'close');
  const elapsedMs = performance.now() - begun;
  const stopped = output.match(/ Stopped /g)?.length ?? 0;
  if (stopped !== MACHINES) throw new Error(`ls shows ${stopped} stopped machines instead of ${MACHINES}:\n${output}`);
  return elapsedMs;
}
