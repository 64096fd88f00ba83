import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { emptyConfig } from '../../../../driver/config/driver-config';
import { machinePaths } from '../../../../driver/config/machine-paths';
import type { DockerOffer } from '../../../../driver/contract/machine-driver';
import { DriverError } from '../../../../driver/errors';
import type { InstalledIso } from '../../../../driver/iso/resolve';
import type { MachineContext } from '../../../../driver/lifecycle/machine-context';
import { discardUnfinishedClone, prepareMachine } from '../../../../driver/lifecycle/start';
import { tryWarmStart, type WarmStart } from '../../../../driver/lifecycle/warm-start';
import { ensureSshKey } from '../../../../driver/ssh-key/ssh-key';
import { warmCache } from '../../../../driver/warm/warm-settings';
import { killMachine } from '../../../../engine/machine/control';
import { listImages } from '../../../../engine/warm/warm-cache';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso } from '../../engine/boot/iso-builder';
import { FAKE_QEMU, isAlive, MACHINE_PROGRAM, until } from '../../engine/machine/fixtures/machine-bench';

// The machine program that ships, with a program in QEMU's place whose guest becomes quiet and takes an identity.
jest.setTimeout(90_000);

const DISK_MIB = 64;
const FORMAT_REQUEST = 'boot2docker, please format-me';
const environment = { ...process.env };

let starts = '';
let words: string[] = [];
let abort = new AbortController();
let context: MachineContext;
let iso: InstalledIso;

beforeEach(() => {
  const folder = temporaryFolder();
  starts = path.join(folder, 'starts');
  Object.assign(process.env, {
    XDG_CACHE_HOME: path.join(folder, 'cache'),
    HYPERKIT_QEMU: FAKE_QEMU,
    FAKE_QEMU: 'run',
    FAKE_QEMU_STARTS: starts,
  });
  words = [];
  abort = new AbortController();
  const say = (text: string): void => void words.push(text);
  const { config } = emptyConfig();
  Object.assign(config, { StorePath: folder, MachineName: 'dev', Memory: 256, DiskSize: DISK_MIB });
  Object.assign(config, { Engine: 'qemu', Accel: 'tcg', Warm: 'require' });
  const paths = machinePaths(config);
  mkdirSync(paths.directory, { recursive: true });
  writeFileSync(paths.iso, buildIso({ ...boot2dockerFiles(), '/boot/identity': '2\n' }));
  iso = { path: paths.iso, version: undefined, source: undefined };
  context = {
    config,
    paths,
    logger: { debug: say, info: say, warn: say, error: say },
    programsDir: path.dirname(MACHINE_PROGRAM),
    isLocked: true,
    signal: abort.signal,
  };
});
afterEach(async () => {
  await killMachine(context.paths.directory);
  process.env = { ...environment };
});

async function warmStart(offer?: DockerOffer): Promise<WarmStart> {
  const { publicKeyLine } = await ensureSshKey(context.paths.sshKey);
  return await tryWarmStart(context, await prepareMachine(context), iso, { publicKeyLine, offer });
}

/** An offer that remembers for which addresses it was made and proved. */
function someOffer(fault?: Error): DockerOffer & { readonly addresses: string[]; readonly proved: string[] } {
  const file = path.join(context.paths.directory, 'some.pem');
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\n');
  const addresses: string[] = [];
  const proved: string[] = [];
  return {
    addresses,
    proved,
    async prepare(address) {
      addresses.push(address);
      return { ca: file, certificate: file, key: file, profile: 'DOCKER_TLS=auto\n' };
    },
    async prove(address) {
      proved.push(address);
      if (fault !== undefined) throw fault;
    },
  };
}

const living = (): number[] =>
  existsSync(starts) ? readFileSync(starts, 'utf8').trim().split('\n').map(Number).filter(isAlive) : [];

function expectNoTrace(): void {
  expect(existsSync(context.paths.dataDisk)).toBe(false);
  expect(existsSync(context.paths.unfinishedClone)).toBe(false);
  expect(living()).toEqual([]);
}

const become = (behaviour: string): void => void Object.assign(process.env, { FAKE_QEMU: behaviour });

/** Has the image made; from then on machines can't go on from it. */
async function makeImageThatFails(): Promise<void> {
  become('refuse-identity');
  await expect(warmStart()).rejects.toMatchObject({ code: 'HK_WARM_UNAVAILABLE' });
  expect(await listImages(warmCache())).toHaveLength(1);
  words = [];
}

test('what is required and not there is made first; a guest that takes no identity is not handed out', async () => {
  become('refuse-identity');
  await expect(warmStart()).rejects.toMatchObject({
    code: 'HK_WARM_UNAVAILABLE',
    message: expect.stringMatching(
      /^cannot start machine "dev" from a warm image: .*no seed today.*; --hyperkit-warm=auto boots it instead$/,
    ) as string,
  });
  expect(words).toContain('Making a warm image first...');
  expect(words).toContain('Restoring the virtual machine...');
  expectNoTrace();
});

test('an offer for its Docker is made for its address, and taken by a machine that is restored', async () => {
  const offer = someOffer();
  expect(await warmStart(offer)).toEqual({ restored: true });
  expect([offer.addresses, offer.proved]).toEqual([[context.config.IPAddress], [context.config.IPAddress]]);
  expect(existsSync(context.paths.unfinishedClone)).toBe(false);
});

test('a machine whose Docker does not answer is ended, and booted', async () => {
  context.config.Warm = 'require';
  await warmStart(someOffer());
  await killMachine(context.paths.directory);
  rmSync(context.paths.dataDisk);
  context.config.Warm = 'auto';
  const offer = someOffer(new DriverError('HK_DOCKER_UNREACHABLE', 'cannot reach Docker'));
  expect(await warmStart(offer)).toMatchObject({ restored: false });
  expect(offer.proved).toHaveLength(1);
  expect(words.join('\n')).toMatch(/could not go on from the warm image and is booted instead: cannot reach Docker/);
  expectNoTrace();
});

test('an offer is not taken by a machine that has to be booted', async () => {
  await makeImageThatFails();
  context.config.Warm = 'auto';
  const offer = someOffer();
  expect(await warmStart(offer)).toMatchObject({ restored: false });
  expect([offer.addresses, offer.proved]).toEqual([[context.config.IPAddress], []]);
});

test('what is required and not possible is refused', async () => {
  context.config.ExtraDisks = 1;
  await expect(warmStart()).rejects.toThrow(/more than one disk/);
  expect(living()).toEqual([]);
});

test('with auto and without an image the machine boots, and the next one shall have an image', async () => {
  context.config.Warm = 'auto';
  const start = await warmStart();
  expect(start).toMatchObject({ restored: false, recipe: { iso: iso.path, cache: warmCache() } });
  expect(words.join()).toMatch(/there is none yet/);
  expect(existsSync(starts)).toBe(false);
  expectNoTrace();
});

test('with never nothing is looked at', async () => {
  context.config.Warm = 'never';
  expect(await warmStart()).toEqual({ restored: false });
  expect(existsSync(warmCache())).toBe(false);
});

test('with auto and an image that fails the machine boots, until the image is removed for good', async () => {
  await makeImageThatFails();
  context.config.Warm = 'auto';
  expect(await warmStart()).toMatchObject({ restored: false });
  expect(words.join('\n')).toMatch(/^It could not go on from the warm image and is booted instead: .*no seed today/m);
  expectNoTrace();
  expect(await listImages(warmCache())).toHaveLength(1);
  await warmStart();
  expect(words.join('\n')).toMatch(/The warm image was removed: it failed 3 times in a row/);
  expect(await listImages(warmCache())).toEqual([]);
});

test('with auto and an image that was cut short the machine boots at once', async () => {
  await makeImageThatFails();
  context.config.Warm = 'auto';
  const [image] = await listImages(warmCache());
  truncateSync(path.join(image?.folder ?? '', 'memory'), 4096);
  const before = readFileSync(starts, 'utf8');
  expect(await warmStart()).toMatchObject({ restored: false });
  expect(words.join()).toMatch(/could not be used and was removed: memory has 4096 bytes/);
  expect(readFileSync(starts, 'utf8')).toBe(before);
  expectNoTrace();
});

test('an abort while it is restored ends it, and nothing is left', async () => {
  await makeImageThatFails();
  become('restless');
  const starting = warmStart();
  await until(() => living().length === 1, 60_000);
  abort.abort(new Error('enough'));
  await expect(starting).rejects.toThrow('enough');
  expectNoTrace();
});

test('a data disk that is there is nobody’s to replace', async () => {
  context.config.Warm = 'auto';
  writeFileSync(context.paths.dataDisk, 'data of somebody');
  expect(await warmStart()).toEqual({ restored: false });
  expect(readFileSync(context.paths.dataDisk, 'utf8')).toBe('data of somebody');
});

describe('a data disk of a warm image', () => {
  const diskBegin = (): string => readFileSync(context.paths.dataDisk).subarray(0, FORMAT_REQUEST.length).toString();

  test('that never became the machine’s own is replaced by a blank one', async () => {
    await ensureSshKey(context.paths.sshKey);
    writeFileSync(context.paths.dataDisk, 'ids of a template');
    writeFileSync(context.paths.unfinishedClone, '');
    await discardUnfinishedClone(context);
    expect(diskBegin()).toBe(FORMAT_REQUEST);
    expect(existsSync(context.paths.unfinishedClone)).toBe(false);
    expect(readdirSync(context.paths.directory)).toContain('dev.rawdisk');
  });

  test('that is the machine’s own stays', async () => {
    writeFileSync(context.paths.dataDisk, 'data of somebody');
    await discardUnfinishedClone(context);
    expect(readFileSync(context.paths.dataDisk, 'utf8')).toBe('data of somebody');
  });
});
