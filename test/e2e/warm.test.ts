import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { hasIdentityMarker } from '../../engine/boot/identity-marker';
import { listImages } from '../../engine/warm/warm-cache';
import { verifyImage } from '../../engine/warm/warm-image';
import { createLikeClient, type Driven, drive } from '../support/drivers';
import { ISO, missingForMachines, processesNaming, Store } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { drawOfServer } from '../support/server-hello';
import { until } from '../support/until';

/** Machines that go on from a warm image, made by the `hyperkit` command; the image is in a cache of the test's own. */
const HYPERKIT = path.join(PROJECT, 'dist/bin/hyperkit');
const MAKE_MS = 300_000;

jest.setTimeout(900_000);

/** What a machine says that no other may say. */
const FACTS = [
  'cat /etc/machine-id',
  'hostname',
  'docker info -f "{{.ID}}"',
  'cat /proc/sys/kernel/random/boot_id',
  'cat /sys/class/net/eth0/address',
  'sudo ssh-keygen -lf /var/lib/boot2docker/ssh/ssh_host_ed25519_key.pub | cut -d" " -f2',
  'sudo ssh-keygen -lf /var/lib/boot2docker/ssh/ssh_host_ecdsa_key.pub | cut -d" " -f2',
  'head -c 16 /dev/urandom | od -An -tx1 | tr -d " "',
];
/** Of those, what a machine keeps when it boots. */
const KEPT = [0, 1, 2, 4, 5, 6];

/** As the images of this file are made, by the options' defaults. */
const CLONE = { warm: 'require', engine: 'qemu', 'disk-size': 4000, 'boot2docker-url': ISO } as const;
/** What a copy says of itself, and what is seen of it from outside. */
const UNIQUE = [
  'hostkey-ecdsa',
  'hostkey-ed25519',
  'engine-id',
  'machine-id',
  'urandom',
  'mac',
  'tls-random',
  'tls-share',
  'tls-key',
];

/** The public key of what answers at a machine's Docker port, once something does. */
async function tlsKeyOf(host: string): Promise<string> {
  const look = (): Promise<string | undefined> =>
    new Promise((resolve) => {
      const socket = connect({ host, port: 2376, rejectUnauthorized: false, timeout: 5000 });
      const settle = (key: string | undefined): void => {
        socket.destroy();
        resolve(key);
      };
      socket.once('secureConnect', () =>
        settle(socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'pem' }).toString()),
      );
      for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, () => settle(undefined));
    });
  return await until(`a key at ${host}`, look, 60_000);
}

describeWith('warm images', [...missingForMachines()], () => {
  let base: string;
  let store: Store;
  let cache: string;

  beforeAll(async () => {
    if (!(await hasIdentityMarker(ISO))) throw new Error(`${ISO} is of an older version; build it with image/build`);
    base = mkdtempSync(path.join(os.tmpdir(), 'hk-warm-'));
    cache = path.join(base, 'docker-machine-driver-hyperkit', 'warm');
    store = new Store(
      HYPERKIT,
      {
        XDG_CACHE_HOME: base,
        HYPERKIT_WARM_CACHE_MB: '4000',
        HYPERKIT_BOOT2DOCKER_URL: ISO,
        HYPERKIT_ENGINE: 'qemu',
        HYPERKIT_DISK_SIZE: '4000',
      },
      base,
    );
  });
  afterAll(async () => {
    const names = store.machines();
    if (names.length > 0) await store.machine(['rm', '-f', ...names]);
    await until(
      'nothing of the test runs',
      () => processesNaming(base).length === 0,
      MAKE_MS,
      () => processesNaming(base),
    );
    rmSync(base, { recursive: true });
  });

  const factsOf = async (name: string): Promise<readonly string[]> =>
    (await store.succeed(['ssh', name, FACTS.join(' && ')])).split('\n').map((line) => line.trim());
  const createAndKeep = async (driven: Driven): Promise<void> => await createLikeClient(store, driven);
  const onlyImage = async (): Promise<string> => {
    const images = await listImages(cache);
    expect(images).toHaveLength(1);
    return images[0]?.folder ?? '';
  };

  test('an image is made ahead, whole, and listed', async () => {
    const key = await store.succeed(['image', 'warm'], { deadlineMs: MAKE_MS });
    const folder = await onlyImage();
    expect(path.basename(folder)).toBe(key);
    expect((await verifyImage(folder)).usable).toBe(true);
    const listed = JSON.parse(await store.succeed(['image', 'ls', '--json'])) as readonly object[];
    expect(listed).toContainEqual(
      expect.objectContaining({ origin: 'warm', key, cpus: 1, memoryMiB: 1024, state: 'good' }),
    );
  });

  test('two machines go on from it at once, and have nothing in common', async () => {
    const outcome = await store.machine(['create', '--warm', 'require', 'one', 'two'], { deadlineMs: 300_000 });
    expect(outcome.output).toMatch(/\(one\) Restored from a warm image in \d/);
    expect(outcome.output).toMatch(/\(two\) Restored from a warm image in \d/);
    expect(outcome.output).not.toMatch(/Booting|Setting up Docker/);
    expect(outcome.code).toBe(0);
    const [one, two] = [await factsOf('one'), await factsOf('two')];
    expect(one).toHaveLength(FACTS.length);
    for (const [index, fact] of one.entries()) expect([FACTS[index], fact]).not.toEqual([FACTS[index], two[index]]);
    expect([one[1], two[1]]).toEqual(['one', 'two']);
  });

  test('they have what provisioning brings, and run with it', async () => {
    const files = { 'ca.pem': '644', 'server.pem': '644', 'server-key.pem': '600', profile: '644' };
    const paths = Object.keys(files).map((name) => `/var/lib/boot2docker/${name}`);
    const modes = await store.succeed(['ssh', 'one', `stat -c '%a %U' ${paths.join(' ')}`]);
    expect(modes.split('\n').map((line) => line.trim())).toEqual(Object.values(files).map((mode) => `${mode} root`));
    for (const name of ['ca.pem', 'server.pem', 'server-key.pem']) {
      const inGuest = await store.succeed(['ssh', 'one', `sudo cat /var/lib/boot2docker/${name}`]);
      expect(inGuest.replaceAll('\r', '')).toBe(readFileSync(path.join(store.folder('one'), name), 'utf8').trim());
    }
    expect(await store.succeed(['version', 'one'])).toMatch(/^\d+\.\d+/);
    const before = await store.succeed(['ssh', 'one', 'cat /var/lib/boot2docker/profile']);
    expect(JSON.parse(await store.succeed(['regenerate-certs', '-f', '--json', 'one']))).toEqual([
      { name: 'one', docker: 'unchanged' },
    ]);
    expect(await store.succeed(['ssh', 'one', 'cat /var/lib/boot2docker/profile'])).toBe(before);
    expect(await store.succeed(['version', 'one'])).toMatch(/^\d+\.\d+/);
  });

  test('their clocks are right', async () => {
    const before = Date.now();
    const guestMs = Number(await store.succeed(['ssh', 'one', 'date +%s%N'])) / 1e6;
    expect(guestMs).toBeGreaterThan(before - 1000);
    expect(guestMs).toBeLessThan(Date.now() + 1000);
  });

  test('after a boot of its own disk a machine is who it was', async () => {
    const before = await factsOf('one');
    await store.succeed(['restart', 'one']);
    const after = await factsOf('one');
    for (const index of KEPT) expect([FACTS[index], after[index]]).toEqual([FACTS[index], before[index]]);
    expect(after[3]).not.toBe(before[3]);
    await store.succeed(['rm', '-y', 'one', 'two']);
  });

  test('of twenty machines of one image no two have a key, an id or a random number in common', async () => {
    const seen = new Map<string, string>();
    for (let batch = 0; batch < 5; batch++) {
      const names = [1, 2, 3, 4].map((at) => `many-${batch * 4 + at}`);
      await Promise.all(names.map(async (name) => await drive(store, name, { flags: CLONE }, createAndKeep)));
      for (const name of names) {
        const log = readFileSync(path.join(store.folder(name), 'hyperkit.log'), 'utf8');
        const said = /restored from \S+; (.*)$/m.exec(log)?.[1] ?? '';
        const facts = new Map(said.split(', ').map((fact) => fact.split(' ') as [string, string]));
        facts.set(
          'mac',
          JSON.parse(readFileSync(path.join(store.folder(name), 'hyperkit.json'), 'utf8')).machine.network.macAddress,
        );
        // The very first handshake: what was drawn before a copy was its own would be in it.
        const draw = await until(`TLS of ${name}`, async () => await drawOfServer(store.address(name), 2376), 60_000);
        facts.set('tls-random', draw.random);
        facts.set('tls-share', draw.share);
        facts.set('tls-key', await tlsKeyOf(store.address(name)));
        expect([...facts.keys()].sort()).toEqual([...UNIQUE].sort());
        for (const [key, value] of facts) {
          expect([key, value.length > 10, seen.get(`${key} ${value}`)]).toEqual([key, true, undefined]);
          seen.set(`${key} ${value}`, name);
        }
      }
      await store.succeed(['rm', '-f', '-y', ...names]);
    }
    expect(seen.size).toBe(20 * UNIQUE.length);
  });

  test('an image that was cut short is not used: the machine boots, and another image is made when it is there', async () => {
    const folder = await onlyImage();
    const { ino } = statSync(folder);
    truncateSync(path.join(folder, 'memory'), 100_000_000);
    const outcome = await store.machine(['create', '--debug', 'three'], { deadlineMs: 400_000 });
    expect(outcome.output).toMatch(/could not be used and was removed: memory has 100000000 bytes/);
    expect(outcome.output).toContain('(three) Booting the virtual machine');
    expect(outcome.code).toBe(0);
    await store.succeed(['rm', '-y', 'three']);
    await until(
      'the image is made anew',
      async () => (await listImages(cache)).length === 1,
      MAKE_MS,
      () => readFileSync(path.join(cache, 'make-warm.log'), 'utf8'),
    );
    expect(statSync(await onlyImage()).ino).not.toBe(ino);
  });
});
