import { copyFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { planWarm, type WarmWish } from '../../../../driver/warm/plan-warm';
import { warmCache, warmLimitBytes } from '../../../../driver/warm/warm-settings';
import { warmKey } from '../../../../engine/warm/warm-key';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso } from '../../engine/boot/iso-builder';
import { FAKE_QEMU, MACHINE_PROGRAM } from '../../engine/machine/fixtures/machine-bench';

const environment = { ...process.env };
let wish: WarmWish;
beforeEach(() => {
  const folder = temporaryFolder();
  Object.assign(process.env, { XDG_CACHE_HOME: path.join(folder, 'cache'), HYPERKIT_QEMU: FAKE_QEMU });
  delete process.env['HYPERKIT_WARM_CACHE_MB'];
  const iso = path.join(folder, 'boot2docker.iso');
  writeFileSync(iso, buildIso({ ...boot2dockerFiles(), '/boot/identity': '2\n' }));
  wish = {
    iso,
    vcpus: 1,
    memoryMiB: 1024,
    diskBytes: 20_000 * 1024 * 1024,
    commandLine: 'quiet',
    hypervisor: 'qemu',
    accelerator: 'tcg',
    extraDisks: 0,
    outsideNetwork: false,
  };
});
afterEach(() => {
  process.env = { ...environment };
});

const plan = async (change: Partial<WarmWish> = {}) => await planWarm({ ...wish, ...change }, MACHINE_PROGRAM);

test('a machine of our ISO can go on from the image of its size', async () => {
  const planned = await plan();
  if (!planned.possible) throw new Error(planned.reason);
  const { recipe } = planned;
  expect(recipe).toMatchObject({ cache: warmCache(), iso: wish.iso, hypervisor: 'qemu', accelerator: 'tcg' });
  expect(recipe.dependencies).toMatchObject({ vcpus: 1, memoryMiB: 1024, commandLine: 'quiet' });
  const other = await plan({ memoryMiB: 2048 });
  if (!other.possible) throw new Error(other.reason);
  expect(warmKey(other.recipe.dependencies)).not.toBe(warmKey(recipe.dependencies));
});

const keyOfPlan = async (): Promise<string> => {
  const planned = await plan();
  if (!planned.possible) throw new Error(planned.reason);
  return warmKey(planned.recipe.dependencies);
};

test('another QEMU goes on from another image: of another version, another file, or written since', async () => {
  const copy = path.join(temporaryFolder(), 'qemu');
  const keys = [await keyOfPlan()];
  process.env['FAKE_QEMU_VERSION'] = 'QEMU emulator version 9.9.9';
  keys.push(await keyOfPlan());
  delete process.env['FAKE_QEMU_VERSION'];
  copyFileSync(FAKE_QEMU, copy);
  process.env['HYPERKIT_QEMU'] = copy;
  keys.push(await keyOfPlan());
  utimesSync(copy, 1, 1);
  keys.push(await keyOfPlan());
  expect(new Set(keys).size).toBe(keys.length);
  process.env['HYPERKIT_QEMU'] = FAKE_QEMU;
  expect(await keyOfPlan()).toBe(keys[0]);
});

const withoutMarker = { ...boot2dockerFiles() };
test.each([
  ['an ISO of another make', withoutMarker, /image\/build makes/],
  ['an ISO that speaks another version', { ...withoutMarker, '/boot/identity': '1\n' }, /image\/build makes/],
  ['an ISO with a folder of that name', { ...withoutMarker, '/boot/identity/1': '1' }, /image\/build makes/],
])('%s cannot', async (_what, files, reason) => {
  writeFileSync(wish.iso, buildIso(files));
  expect(await plan()).toEqual({ possible: false, reason: expect.stringMatching(reason) as string });
});

test.each([
  ['more disks', { extraDisks: 1 }, /more than one disk/],
  ['a network of another program', { outsideNetwork: true }, /network of another program/],
  ['no ISO', { iso: '/nowhere.iso' }, /nowhere\.iso/],
] satisfies ReadonlyArray<readonly [string, Partial<WarmWish>, RegExp]>)(
  'a machine with %s cannot',
  async (_what, change, reason) => {
    expect(await plan(change)).toEqual({ possible: false, reason: expect.stringMatching(reason) as string });
  },
);

test('a folder that others may use is not used', async () => {
  mkdirSync(warmCache(), { recursive: true, mode: 0o755 });
  expect(await plan()).toEqual({ possible: false, reason: expect.stringMatching(/other users may use it/) as string });
});

test('the bound of the cache is what its variable says', async () => {
  expect(warmLimitBytes({})).toBe(8192 * 1024 * 1024);
  expect(warmLimitBytes({ HYPERKIT_WARM_CACHE_MB: '100' })).toBe(100 * 1024 * 1024);
  for (const wrong of ['-1', '1.5', 'much', '1e9', '0x10']) {
    expect(() => warmLimitBytes({ HYPERKIT_WARM_CACHE_MB: wrong })).toThrow(/HYPERKIT_WARM_CACHE_MB=.*whole number/);
  }
  process.env['HYPERKIT_WARM_CACHE_MB'] = '0';
  expect(await plan()).toEqual({ possible: false, reason: 'HYPERKIT_WARM_CACHE_MB is 0' });
});
