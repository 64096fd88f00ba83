import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { findKvmObstacle } from '../test/support/vmm/board';
import { GuestCode } from '../test/support/vmm/guest-code';
import { multibootImage } from '../test/support/vmm/guest-images';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 15;

/**
 * From exec of `hyperkit` to the first byte that its guest, a few instructions on the native engine, has sent through a
 * serial port to stdout. Against QEMU without KVM with the same guest (its firmware runs first), and against Node itself doing
 * nothing (`node -e 0`, from exec to exit), which is the floor.
 */
export async function measure(): Promise<Measurement> {
  const obstacle = findKvmObstacle();
  if (obstacle !== undefined) throw new Error(`there is no KVM to start a guest on: ${obstacle}`);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'hk-bench-'));
  try {
    const guest = path.join(folder, 'guest');
    await writeFile(guest, multibootImage(new GuestCode(32).print('x').powerOff().build()));
    const hyperkit = [path.resolve('dist/hyperkit.cjs'), '-u', '-m', '256M', '-s', '0:0,hostbridge', '-s', '31,lpc'];
    const contestants: Record<string, () => Promise<number>> = {
      ours: () => timeToFirstByte(process.execPath, [...hyperkit, '-l', 'com1,stdio', '-f', `multiboot,${guest}`]),
      'node -e 0': () => timeToFirstByte(process.execPath, ['-e', 'process.stdout.write("x")']),
      'QEMU (TCG)': () =>
        timeToFirstByte('qemu-system-x86_64', [
          ...['-nodefaults', '-display', 'none', '-accel', 'tcg', '-m', '256M'],
          ...['-serial', 'stdio', '-kernel', guest],
        ]),
    };
    const times: Record<string, number[]> = {};
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, run] of Object.entries(contestants)) {
        const elapsedMs = await run();
        // The first round warms the page cache.
        if (round >= 0) times[name] = [...(times[name] ?? []), elapsedMs];
      }
    }
    const medians = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, Math.round(median(list))]));
    const { ours = Number.NaN, ...peers } = medians;
    return compare({
      name: 'vmm-first-instruction',
      unit: 'ms to a byte from the guest',
      better: 'lower',
      ours,
      peers,
      details: {
        rounds: ROUNDS,
        bestMs: Object.fromEntries(Object.entries(times).map(([name, list]) => [name, Math.round(Math.min(...list))])),
        node: process.version,
      },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function timeToFirstByte(program: string, args: readonly string[]): Promise<number> {
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, ...env } = process.env;
  const begun = performance.now();
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...env, HYPERKIT_ENGINE: 'native' },
  });
  const exit = once(child, 'exit');
  await Promise.race([
    once(child.stdout, 'data'),
    exit.then(() => Promise.reject(new Error(`${program} said nothing`))),
  ]);
  const elapsedMs = performance.now() - begun;
  child.kill('SIGKILL');
  await exit;
  return elapsedMs;
}
