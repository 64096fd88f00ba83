import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { closeBlockImage } from '../../../../../../engine/vmm/io/block-image';
import { PROJECT } from '../../../../../support/peers';
import { newDiskFile, openDisk } from '../../io/disk-machine';

const SECTORS = 256;

it.each([1, 20, 50])('has on disk what was flushed, when its process is killed after %d flushes', async (flushes) => {
  const disk = newDiskFile(SECTORS * 512);
  const program = path.join(disk.folder, 'child.cjs');
  buildSync({
    entryPoints: [path.join(__dirname, 'writing-child.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    external: ['koffi'],
  });
  const env = { ...process.env, NODE_PATH: path.join(PROJECT, 'node_modules') };
  const child = spawn(process.execPath, [program, disk.path, String(SECTORS)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > flushes) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const flushed = Number(said.trim().split('\n').at(-1));
  expect(flushed).toBeGreaterThanOrEqual(flushes);
  const bytes = readFileSync(disk.path);
  const generations = Array.from({ length: SECTORS }, (_, sector) => bytes.readUInt32LE(sector * 512));
  // Nothing is older than the last flush, nothing is of more than the generation after it, and no sector is torn.
  expect(Math.min(...generations)).toBeGreaterThanOrEqual(flushed);
  expect(Math.max(...generations)).toBeLessThanOrEqual(flushed + 1);
  for (const [sector, generation] of generations.entries()) {
    const rest = bytes.subarray(sector * 512 + 4, (sector + 1) * 512);
    expect(rest.every((byte) => byte === (generation & 0xff))).toBe(true);
  }
  // The lock died with its process.
  closeBlockImage(openDisk(disk.path));
  disk.remove();
});
