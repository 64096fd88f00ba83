import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { callDocker } from '../../driver/docker/docker-client';
import { hasIdentityMarker } from '../../engine/boot/identity-marker';
import { ISO, listeningOn, missingForMachines, processesNaming, Store } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { run } from '../support/run';
import { until } from '../support/until';

// A pool of real machines that go on from a warm image: two kept ready, in memory for three.
const HYPERKIT = path.join(PROJECT, 'dist/bin/hyperkit');
const peer = buildPeer('docker-machine');
const MAKE_MS = 300_000;
const MEMORY_MB = 768;
const LIMIT_MB = 3 * (MEMORY_MB + 128);

interface Event {
  readonly event: string;
  readonly machine?: string;
}

interface Pool {
  readonly ready: readonly string[];
  readonly unfinished: readonly string[];
  readonly taken: readonly { readonly name: string }[];
  readonly memoryMb: number;
  readonly keeper: number | null;
}

describeWith('a pool', [...missingForMachines(), peer.available ? undefined : peer.reason], () => {
  jest.setTimeout(600_000);
  let base = '';
  let store: Store;
  let events: Event[] = [];
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    if (!(await hasIdentityMarker(ISO))) throw new Error(`${ISO} is of an older version; build it with image/build`);
    base = mkdtempSync(path.join(os.tmpdir(), 'hk-pool-'));
    store = new Store(
      HYPERKIT,
      {
        XDG_CACHE_HOME: base,
        HYPERKIT_WARM_CACHE_MB: '4000',
        HYPERKIT_BOOT2DOCKER_URL: ISO,
        HYPERKIT_ENGINE: 'qemu',
        HYPERKIT_WARM: 'require',
        HYPERKIT_MEMORY_SIZE: String(MEMORY_MB),
        HYPERKIT_DISK_SIZE: '4000',
      },
      base,
    );
    await store.succeed(['image', 'warm'], { deadlineMs: MAKE_MS });
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    const names = store.machines();
    if (names.length > 0) await store.machine(['rm', '-f', ...names]);
    await store.becomesQuiet();
    rmSync(base, { recursive: true });
  });

  /** Starts a keeper; `events` is what it tells. */
  const keep = (): void => {
    const told: Event[] = [];
    events = told;
    const words = ['pool', 'run', '--json', '--size', '2', '--memory-limit', String(LIMIT_MB), 'ci'];
    child = spawn(HYPERKIT, words, { env: store.env, stdio: ['ignore', 'pipe', 'inherit'] });
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      told.push(...lines.map((line) => JSON.parse(line) as Event));
    });
  };
  /** Ends the keeper; answers its exit status. */
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child === undefined) throw new Error('no keeper was started');
    const ended = once(child, 'exit');
    child.kill(signal);
    return ((await ended) as [number | null])[0];
  };
  const of = (kind: string): readonly string[] =>
    events.filter(({ event }) => event === kind).map(({ machine = '' }) => machine);
  const told = async (kind: string, count: number): Promise<readonly string[]> =>
    await until(
      `${count} times ${kind}`,
      () => of(kind).length >= count && of(kind),
      MAKE_MS,
      () => events,
    );
  const look = async (): Promise<Pool> => JSON.parse(await store.succeed(['pool', 'ls', '--json']))[0] as Pool;
  const take = async (): Promise<string> => await store.succeed(['pool', 'take', 'ci']);
  const hypervisors = (): readonly string[] => store.processes().filter((line) => line.includes('qemu-system'));
  /** Asks a machine's Docker over TLS, once. */
  const ask = async (url: string, certPath: string): Promise<unknown> => {
    const { hostname: host, port } = new URL(url);
    const pem = (file: string): string => readFileSync(path.join(certPath, file), 'utf8');
    const target = {
      ...{ host, port: Number(port), caPem: pem('ca.pem') },
      ...{ certificatePem: pem('cert.pem'), keyPem: pem('key.pem') },
    };
    const answer = await callDocker(target, { method: 'GET', path: '/info', deadlineMs: 60_000 });
    return JSON.parse(answer.text);
  };
  let mine = '';

  test('is filled from the warm image', async () => {
    keep();
    const ready = await told('ready', 2);
    expect((await look()).ready).toEqual([...ready].sort());
    for (const name of ready) {
      expect(readFileSync(path.join(store.folder(name), 'hyperkit.log'), 'utf8')).toContain('restored from');
    }
    expect(hypervisors()).toHaveLength(2);
  });

  test('a machine is handed out at once, and its Docker answers at once', async () => {
    const before = await look();
    const taken = await store.machine(['pool', 'take', '--json', '--timeout', '0', 'ci']);
    const { name, address, url, certPath } = JSON.parse(taken.stdout) as Record<string, string>;
    mine = name ?? '';
    expect(before.ready).toContain(mine);
    expect(await ask(url ?? '', certPath ?? '')).toMatchObject({ Name: mine });
    expect(listeningOn(address ?? '')).toContain(2376);
    expect(await store.succeed(['env', '--shell', 'bash', mine])).toContain(`DOCKER_HOST="${url}"`);
  });

  test('docker-machine manages it like any other', async () => {
    const client = async (...words: readonly string[]) =>
      await run(peer.available ? peer.path : '', words, { env: store.env });
    expect((await client('ls', '--format', '{{.Name}} {{.State}} {{.Error}}')).stdout).toContain(`${mine} Running \n`);
    expect((await client('config', mine)).code).toBe(0);
  });

  test('is refilled until the limit, and not beyond', async () => {
    await told('ready', 3);
    const second = await take();
    await told('full', 1);
    const pool = await look();
    expect(pool).toMatchObject({ memoryMb: LIMIT_MB, unfinished: [] });
    expect([pool.ready.length, pool.taken.map(({ name }) => name).sort()]).toEqual([1, [mine, second].sort()]);
    expect(hypervisors()).toHaveLength(3);
    await store.succeed(['rm', '-y', second]);
    await told('ready', 4);
    expect(of('gone')).toEqual([second]);
    expect(hypervisors()).toHaveLength(3);
  });

  test('a ready machine that dies is replaced', async () => {
    const [victim = ''] = (await look()).ready;
    const state = JSON.parse(readFileSync(path.join(store.folder(victim), 'machine-state.json'), 'utf8')) as {
      readonly pid: number;
    };
    process.kill(state.pid, 'SIGKILL');
    expect(await told('retired', 1)).toEqual([victim]);
    await told('removed', 1);
    await told('ready', 5);
    expect(store.machines()).not.toContain(victim);
    expect(hypervisors()).toHaveLength(3);
  });

  test('of a keeper that is killed in the middle nothing is lost and nothing left', async () => {
    const [first = ''] = (await look()).ready;
    const [, second = ''] = (await look()).ready;
    await store.succeed(['rm', '-y', second]);
    await told('creating', 6);
    const unfinished = of('creating').at(-1) ?? '';
    await until('its machine is there', () => existsSync(store.folder(unfinished)));
    await end('SIGKILL');
    expect(await look()).toMatchObject({ keeper: null, ready: [first], unfinished: [unfinished] });
    const other = await take();
    expect(other).toBe(first);
    await store.succeed(['rm', '-y', other]);
    keep();
    expect(await told('removed', 1)).toEqual([unfinished]);
    await told('ready', 2);
    await end('SIGKILL');
    keep();
    expect([...(await told('adopted', 2))].sort()).toEqual((await look()).ready);
    expect((await look()).taken.map(({ name }) => name)).toEqual([mine]);
    expect(hypervisors()).toHaveLength(3);
  });

  test('told to end it leaves what was handed out, and that works on', async () => {
    const addresses = (await look()).ready.map((name) => store.address(name));
    expect(await end('SIGTERM')).toBe(0);
    expect(store.machines()).toEqual([mine]);
    expect(hypervisors()).toHaveLength(1);
    expect(addresses.flatMap((address) => listeningOn(address))).toEqual([]);
    expect(readdirSync(path.join(store.path, 'pools'))).toEqual([]);
    expect((await store.machine(['pool', 'take', '--timeout', '0', 'ci'])).code).toBe(4);
    expect(await store.succeed(['ssh', mine, 'docker info -f "{{.Name}}"'])).toBe(mine);
    await store.succeed(['rm', '-y', mine]);
    expect(store.machines()).toEqual([]);
    await store.becomesQuiet();
    expect(processesNaming(base)).toEqual([]);
    expect(readFileSync('/proc/net/unix', 'latin1')).not.toContain(store.path);
  });
});
