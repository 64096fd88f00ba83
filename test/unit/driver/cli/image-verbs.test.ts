import { existsSync, mkdirSync, readdirSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { PROJECT } from '../../../support/peers';
import { type Outcome, run } from '../../../support/run';
import { temporaryFolder } from '../../../support/temporary-folder';
import { putImage } from '../../engine/warm/warm-bench';

// The program that ships, on a cache of warm images of which nobody makes machines.
jest.setTimeout(120_000);
const HYPERKIT = path.join(PROJECT, 'dist/hyperkit.cjs');

let home = '';
let cache = '';
beforeEach(() => {
  home = temporaryFolder();
  cache = path.join(home, '.cache', 'docker-machine-driver-hyperkit', 'warm');
  mkdirSync(cache, { recursive: true, mode: 0o700 });
});

const image = (...words: readonly string[]): Promise<Outcome> => {
  const { XDG_CACHE_HOME: _dropped, ...env } = process.env;
  return run(process.execPath, [HYPERKIT, 'image', ...words], {
    env: { ...env, HOME: home, MACHINE_STORAGE_PATH: path.join(home, 'store'), NO_COLOR: '1' },
  });
};

test('ls lists warm images beside ISOs', async () => {
  const good = await putImage(cache, 1);
  const bad = await putImage(cache, 2);
  truncateSync(path.join(bad.folder, 'memory'), 100);
  const outcome = await image('ls');
  expect(outcome.code).toBe(0);
  expect(outcome.stdout).toMatch(
    /^ORIGIN +VERSION +SIZE +STATE +PATH\n\nWARM IMAGE +CPUS +MEMORY +DISK +LAST USED +SIZE +STATE\n/,
  );
  expect(outcome.stdout).toMatch(
    new RegExp(`^${good.key.slice(0, 12)} +1 +64 MiB +8 MiB +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d +1 MB +good$`, 'm'),
  );
  expect(outcome.stdout).toMatch(new RegExp(`^${bad.key.slice(0, 12)} .*memory has 100 bytes`, 'm'));
  const listed = JSON.parse((await image('ls', '--json')).stdout) as readonly object[];
  expect(listed).toContainEqual(
    expect.objectContaining({ origin: 'warm', key: good.key, cpus: 1, memoryMiB: 64, diskMiB: 8, state: 'good' }),
  );
  expect((await image('ls', '-q')).stdout.split('\n').sort()).toEqual(['', bad.folder, good.folder].sort());
});

test('rm removes what is named, by its beginning, too', async () => {
  const [first, second] = [await putImage(cache, 1), await putImage(cache, 2)];
  const outcome = await image('rm', first.key.slice(0, 8));
  expect(outcome).toMatchObject({ code: 0, stdout: '', stderr: `Removed ${first.key}\n` });
  expect(readdirSync(cache)).toEqual([second.key]);
  const all = await image('rm', '--all', '--json');
  expect(JSON.parse(all.stdout)).toEqual([{ key: second.key, removed: true }]);
  expect(existsSync(second.folder)).toBe(false);
});

test.each([
  [[], 'hyperkit image rm" needs images'],
  [['beef'], 'no warm image begins with "beef"'],
  [[''], 'no warm image begins with ""'],
  [['../..'], 'no warm image begins with "../.."'],
])('rm of %j: status 2, and nothing is removed', async (words, text) => {
  const { key } = await putImage(cache, 1);
  const outcome = await image('rm', ...words);
  expect(outcome.code).toBe(2);
  expect(outcome.stderr).toContain(text);
  expect(readdirSync(cache)).toEqual([key]);
});

test('warm without an ISO says how to get one', async () => {
  const outcome = await image('warm');
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/cannot find a boot2docker ISO: .*image\/build/);
});
