import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildPeer } from '../test/support/peers';
import { run } from '../test/support/run';
import { compare, type Measurement, median } from './support/measurement';
import { fillStore } from './support/stopped-machines';

const MACHINES = 10;
const ROUNDS = 9;

/**
 * `hyperkit ls` with ten stopped machines, against `docker-machine ls` on the same store with our plugin; how long
 * Node itself takes, and each with no machine at all, are in the details.
 */
export async function measure(): Promise<Measurement> {
  const client = buildPeer('docker-machine');
  if (!client.available) throw new Error(`cannot measure ls: ${client.reason}`);
  const folder = await mkdtemp(path.join(tmpdir(), 'hk-bench-'));
  try {
    const full = await fillStore(path.join(folder, 'full'), 'hyperkit', MACHINES);
    const empty = path.join(folder, 'empty');
    const programs = {
      ours: { command: [process.execPath, path.resolve('dist/hyperkit.cjs'), 'ls'], store: full, stopped: MACHINES },
      'docker-machine': { command: [client.path, 'ls'], store: full, stopped: MACHINES },
      'ours, no machine': {
        command: [process.execPath, path.resolve('dist/hyperkit.cjs'), 'ls'],
        store: empty,
        stopped: 0,
      },
      'docker-machine, no machine': { command: [client.path, 'ls'], store: empty, stopped: 0 },
      'node -e 0': { command: [process.execPath, '-e', '0'], store: empty, stopped: 0 },
    };
    const times = new Map<string, number[]>(Object.keys(programs).map((name) => [name, []]));
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, program] of Object.entries(programs)) {
        const elapsedMs = await list(program.command, program.store, program.stopped);
        // The first round warms the page cache.
        if (round >= 0) times.get(name)?.push(elapsedMs);
      }
    }
    const medians = Object.fromEntries([...times].map(([name, values]) => [name, Math.round(median(values))]));
    const best = Object.fromEntries([...times].map(([name, values]) => [name, Math.round(Math.min(...values))]));
    return compare({
      name: 'cli-ls',
      unit: 'ms',
      better: 'lower',
      ours: medians['ours'] ?? Number.NaN,
      peers: { 'docker-machine': medians['docker-machine'] ?? Number.NaN },
      details: { rounds: ROUNDS, machines: MACHINES, medianMs: medians, bestMs: best, node: process.version },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function list(command: readonly string[], store: string, stopped: number): Promise<number> {
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, ...env } = process.env;
  const [program = '', ...args] = command;
  const { code, output, seconds } = await run(program, args, {
    env: {
      ...env,
      PATH: `${path.resolve('dist/bin')}:${env['PATH']}`,
      MACHINE_STORAGE_PATH: store,
      MACHINE_BUGSNAG_API_TOKEN: 'no-report',
    },
  });
  const found = output.match(/ Stopped /g)?.length ?? 0;
  if (code !== 0 || found !== stopped) throw new Error(`${command.join(' ')}: exit ${code}\n${output}`);
  return seconds * 1000;
}
