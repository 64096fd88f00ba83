import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { chooseHypervisor, listHypervisors } from '../../../../engine/hypervisors/select';
import { isWarm } from '../../../../engine/hypervisors/warm-starts';
import type { WarmRecipe } from '../../../../engine/warm/make-request';
import { MAKE_WARM_WORD } from '../../../../engine/warm/maker-words';
import { makeWarm, makeWarmInBackground } from '../../../../engine/warm/start-maker';
import { findUnfit, noteUnfit } from '../../../../engine/warm/unfit-note';
import { draftFolder, findImage, imageFolder, removeImage } from '../../../../engine/warm/warm-cache';
import { verifyImage } from '../../../../engine/warm/warm-image';
import { warmKey } from '../../../../engine/warm/warm-key';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso } from '../boot/iso-builder';
import { isAlive, MACHINE_PROGRAM, MachineBench, until } from '../machine/fixtures/machine-bench';
import { DEPENDENCIES } from './warm-bench';

// The program that ships, with a program in QEMU's place that stands for a guest which becomes quiet.
jest.setTimeout(60_000);

const ISO = buildIso(boot2dockerFiles());
const never = new AbortController().signal;

let bench: MachineBench;
let cache = '';
let recipe: WarmRecipe;
let key = '';
const environment = { ...process.env };

beforeEach(async () => {
  bench = new MachineBench();
  const folder = temporaryFolder();
  cache = path.join(folder, 'cache', 'warm');
  const iso = path.join(folder, 'boot2docker.iso');
  writeFileSync(iso, ISO);
  const wish = { hypervisor: 'qemu', accelerator: 'tcg' } as const;
  const hypervisor = await chooseHypervisor(wish, listHypervisors({ machineProgram: MACHINE_PROGRAM }));
  if (!isWarm(hypervisor)) throw new Error('QEMU saves guests on Linux only');
  const dependencies = {
    ...DEPENDENCIES,
    iso: createHash('sha256').update(ISO).digest('hex'),
    hypervisor: await hypervisor.warm.fingerprint(wish),
  };
  recipe = { cache, limitBytes: 1024 ** 3, iso, dependencies, ...wish };
  key = warmKey(dependencies);
});
afterEach(async () => {
  await bench.dispose();
  process.env = { ...environment };
});

const make = async (signal = never): Promise<'made' | 'found'> => await makeWarm(recipe, MACHINE_PROGRAM, signal);
const draft = (): string => draftFolder(cache, key);
const log = (): string => readFileSync(path.join(cache, 'make-warm.log'), 'utf8');
const NOTES = ['iso-digests.json', 'make-warm.log'];

async function expectOnlyTheImage(): Promise<void> {
  expect(readdirSync(cache).filter((name) => !NOTES.includes(name))).toEqual([key]);
  expect((await verifyImage(imageFolder(cache, key))).usable).toBe(true);
  expect(bench.livingFakes()).toEqual([]);
}

test('an image is made, whole and private, and nothing else is left', async () => {
  expect(await make()).toBe('made');
  await expectOnlyTheImage();
  expect(statSync(cache).mode & 0o777).toBe(0o700);
  const folder = imageFolder(cache, key);
  expect(readdirSync(folder).sort()).toEqual(['devices', 'disk', 'image.json', 'memory']);
  expect(readFileSync(path.join(folder, 'devices'), 'utf8')).toBe('the state of devices');
  expect(readFileSync(path.join(folder, 'disk')).subarray(0, 28).toString()).toBe(
    'boot2docker, please format-me'.slice(0, 28),
  );
  expect(statSync(path.join(folder, 'disk')).size).toBe(DEPENDENCIES.diskBytes);
  // Memory that was never touched takes no room.
  expect(statSync(path.join(folder, 'memory')).size).toBe(64 * 1024 * 1024);
  expect(statSync(path.join(folder, 'memory')).blocks * 512).toBeLessThan(1024 * 1024);
  expect(await findImage(cache, key)).toEqual({ found: true, folder });
});

test('one that is there is not made again', async () => {
  await make();
  const { ino } = statSync(imageFolder(cache, key));
  expect(await make()).toBe('found');
  expect(statSync(imageFolder(cache, key)).ino).toBe(ino);
  expect(bench.fakes()).toHaveLength(1);
});

test('of several at once one makes it, and the others wait for it', async () => {
  expect((await Promise.all([make(), make(), make()])).sort()).toEqual(['found', 'found', 'made']);
  expect(bench.fakes()).toHaveLength(1);
  await expectOnlyTheImage();
});

test('a guest that never becomes quiet is given up, with its last words, and not tried again in the background', async () => {
  bench.setEnvironment({ FAKE_QEMU: 'power-off' });
  await expect(make()).rejects.toMatchObject({
    code: 'HK_WARM_FAILED',
    message: expect.stringMatching(
      /cannot make a warm image: cannot save machine "template": .*[\s\S]*console of fake/,
    ) as string,
  });
  expect(existsSync(draft())).toBe(false);
  expect(findUnfit(cache, key)).toMatch(/cannot save machine/);
  bench.setEnvironment({ FAKE_QEMU: 'run' });
  // Asked for by somebody who waits, it is tried again.
  expect(await make()).toBe('made');
  await expectOnlyTheImage();
});

test('who gives up leaves nothing behind', async () => {
  bench.setEnvironment({ FAKE_QEMU: 'restless' });
  const abort = new AbortController();
  const making = make(abort.signal);
  await until(() => bench.livingFakes().length === 1, 20_000);
  abort.abort(new Error('enough'));
  await expect(making).rejects.toThrow('enough');
  expect(bench.livingFakes()).toEqual([]);
  expect(readdirSync(cache).filter((name) => !NOTES.includes(name))).toEqual([]);
});

test('neither does who gives up while the guest is awaited', async () => {
  bench.setEnvironment({ FAKE_QEMU: 'restless' });
  const abort = new AbortController();
  const making = make(abort.signal);
  const said = path.join(draft(), 'console.log');
  await until(() => existsSync(said) && readFileSync(said, 'utf8').includes('console of fake'), 20_000);
  abort.abort(new Error('enough'));
  await expect(making).rejects.toThrow('enough');
  expect(log()).toContain('whoever wanted it is gone');
  expect(bench.livingFakes()).toEqual([]);
  expect(readdirSync(cache).filter((name) => !NOTES.includes(name))).toEqual([]);
});

test('a maker that was killed leaves a draft, and the next one begins anew', async () => {
  bench.setEnvironment({ FAKE_QEMU: 'restless' });
  const killed = make().catch((error: Error) => error.message);
  await until(() => bench.livingFakes().length === 1, 20_000);
  const claim = readdirSync(draft()).find((name) => name.startsWith('machine-claim.')) ?? '';
  const { pid } = JSON.parse(readFileSync(path.join(draft(), claim), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  expect(await killed).toMatch(/ended without a word; see .*make-warm\.log/);
  expect(existsSync(path.join(draft(), 'image', 'memory'))).toBe(true);
  bench.setEnvironment({ FAKE_QEMU: 'run' });
  expect(await make()).toBe('made');
  await expectOnlyTheImage();
});

test('killed at whatever moment it leaves what the next one mends', async () => {
  const begunMs = performance.now();
  await make();
  const tookMs = performance.now() - begunMs;
  for (let eighth = 1; eighth <= 8; eighth++) {
    await removeImage(cache, key);
    const maker = spawn(process.execPath, [MACHINE_PROGRAM, MAKE_WARM_WORD], { stdio: ['pipe', 'ignore', 'ignore'] });
    maker.stdin.write(`${JSON.stringify(recipe)}\n`);
    setTimeout(() => maker.kill('SIGKILL'), (tookMs * eighth) / 8);
    await once(maker, 'exit');
    await until(() => bench.livingFakes().length === 0);
    const image = await findImage(cache, key);
    if (image.found) expect((await verifyImage(image.folder)).usable).toBe(true);
    else expect(image.reason).toBe('there is none yet');
  }
  await make();
  await expectOnlyTheImage();
});

describe('in the background', () => {
  const begin = async (): Promise<void> => await makeWarmInBackground(recipe, MACHINE_PROGRAM);

  test('it waits for the end of who asked, which does not wait for it', async () => {
    await begin();
    await until(() => existsSync(draft()), 20_000);
    // This process has not ended, so it does not begin yet.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(bench.fakes()).toEqual([]);
    const claim = readdirSync(draft()).find((name) => name.startsWith('machine-claim.')) ?? '';
    const { pid } = JSON.parse(readFileSync(path.join(draft(), claim), 'utf8')) as { pid: number };
    // A second one finds the first at it.
    await begin();
    await until(() => log().includes(`process ${pid} is making it already`), 20_000);
    process.kill(pid, 'SIGTERM');
    await until(() => !isAlive(pid), 20_000);
    expect(existsSync(draft())).toBe(false);
  });

  test('what is known not to work is not tried', async () => {
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    await noteUnfit(cache, key, 'it never becomes quiet', 60_000);
    await begin();
    await until(
      () => existsSync(path.join(cache, 'make-warm.log')) && log().includes('it never becomes quiet'),
      20_000,
    );
    expect(bench.fakes()).toEqual([]);
  });
});

describe('what cannot be is told', () => {
  test('an ISO that is another one by now', async () => {
    writeFileSync(recipe.iso, Buffer.concat([ISO, Buffer.from('x')]));
    await expect(make()).rejects.toThrow(/boot2docker\.iso is another one by now/);
    expect(findUnfit(cache, key)).toBeUndefined();
  });

  test('a hypervisor that is another one by now', async () => {
    bench.setEnvironment({ FAKE_QEMU_VERSION: 'QEMU emulator version 9.9.9' });
    await expect(make()).rejects.toThrow(/the hypervisor is another one by now/);
  });

  test('an image that is larger than all may be', async () => {
    recipe = { ...recipe, limitBytes: 4096 };
    await expect(make()).rejects.toThrow(/it is larger than all images together may be/);
    expect(existsSync(imageFolder(cache, key))).toBe(false);
    expect(findUnfit(cache, key)).toMatch(/larger/);
  });

  test('a folder that others may use', async () => {
    mkdirSync(cache, { recursive: true });
    chmodSync(cache, 0o777);
    await expect(make()).rejects.toThrow(/cannot use the folder of warm images .*: other users may use it/);
  });

  test('a request that is none', async () => {
    recipe = { ...recipe, iso: 'relative' };
    await expect(make()).rejects.toThrow(/iso: must be an absolute path/);
  });
});
