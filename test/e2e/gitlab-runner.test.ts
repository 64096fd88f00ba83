import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listeningOn, missingForMachines, Store } from '../support/machines';
import { buildPeer, describeWith } from '../support/peers';
import type { Outcome } from '../support/run';
import { until } from '../support/until';

// GitLab Runner's docker+machine executor is a program that starts many docker-machine processes, several at once, on one
// store: this is its way with machines (docs/ci.md), by GitLab's own docker-machine.
const peer = buildPeer('docker-machine');
const OPTIONS = ['--hyperkit-cpu-count', '1', '--engine-label', 'fleet=ci'];

describeWith('the way of GitLab Runner', [...missingForMachines(), peer.available ? undefined : peer.reason], () => {
  jest.setTimeout(900_000);
  const store = new Store(peer.available ? peer.path : '');
  const [builder, spare, doomed] = ['ci-builder', 'ci-spare', 'ci-doomed'] as const;
  const creating = new Map<string, Promise<Outcome>>();
  const configOf = (name: string): { readonly Driver: Readonly<Record<string, unknown>> } =>
    JSON.parse(readFileSync(path.join(store.folder(name), 'config.json'), 'utf8'));

  const create = (name: string): Promise<Outcome> => {
    const outcome = store.machine(['create', '--driver', 'hyperkit', ...OPTIONS, name], { deadlineMs: 600_000 });
    creating.set(name, outcome);
    return outcome;
  };

  /** The Runner repeats a removal until it succeeds: docker-machine fails where another of its kind writes into the folder. */
  const remove = (name: string): Promise<boolean> => {
    const isGone = async (): Promise<boolean> =>
      (await store.machine(['rm', '-y', name])).code === 0 || !store.machines().includes(name);
    return until(`${name} is removed`, isGone, 120_000);
  };

  /**
   * The Runner knows its machines by reading the store. docker-machine writes a new config.json in place, so that it may be
   * looked at half written; but never is it lost, damaged or another machine's.
   */
  class Watch {
    readonly #stop = new AbortController();
    readonly #ending: Promise<void>;
    looks = 0;

    constructor() {
      this.#ending = this.#look();
      this.#ending.catch(() => undefined); // told at end()
    }

    async #look(): Promise<void> {
      while (!this.#stop.signal.aborted) {
        const folder = path.join(store.path, 'machines');
        for (const name of await readdir(folder).catch(() => [])) {
          const file = path.join(folder, name, 'config.json');
          await until(`${name} is itself or gone`, () => !existsSync(file) || nameIn(file) === name, 20_000);
          this.looks++;
        }
        await sleep(20);
      }
    }

    async end(): Promise<void> {
      this.#stop.abort();
      await this.#ending;
    }
  }
  let watch: Watch;

  beforeAll(async () => {
    // The first machine of a store is made alone, as docs/ci.md says: docker-machine makes the certificates with it.
    await store.succeed(['create', '-d', 'none', '--url', 'tcp://127.0.0.1:1', 'certificates']);
    await store.succeed(['rm', '-y', 'certificates']);
    watch = new Watch();
  });
  afterAll(async () => {
    await Promise.allSettled(creating.values());
    await store.dispose();
  });

  test('it makes up its idle count by creates at once, asks about them, and gives one up in the middle', async () => {
    const names = [builder, spare, doomed];
    for (const name of names) void create(name);
    const boots = (name: string): boolean => listeningOn(store.address(name)).length > 0;
    await until('all three boot', () => names.every(boots), 300_000);

    const removing = remove(doomed);
    // What is asked of machines that are being made is answered from files, and none of it disturbs the makers.
    const [listed, ...each] = await Promise.all([
      store.succeed(['ls', '-q']),
      ...[builder, spare].flatMap((name) => [store.succeed(['inspect', name]), store.succeed(['status', name])]),
    ]);
    expect(listed.split('\n')).toEqual(expect.arrayContaining([builder, spare]));
    for (const [index, name] of [builder, spare].entries()) {
      expect(JSON.parse(each[index * 2] ?? '')).toMatchObject({ Name: name, DriverName: 'hyperkit' });
      expect(['Running', 'Starting']).toContain(each[index * 2 + 1]);
    }
    const outcome = await creating.get(doomed);
    await removing;
    // GitLab's docker-machine saves a machine whose create has failed, also one that is gone: its config.json is back.
    if (store.machines().includes(doomed)) await remove(doomed);
    expect([outcome?.code, outcome?.output]).toEqual([1, expect.stringContaining('Error creating machine')]);
    expect(store.machines()).toEqual([builder, spare]);
    expect(listeningOn(store.address(doomed))).toEqual([]);
  });

  test('the others come up, each at an address of its own', async () => {
    for (const name of [builder, spare]) {
      const outcome = await creating.get(name);
      if (outcome?.code !== 0) throw new Error(outcome?.output);
    }
    const addresses = [builder, spare].map((name) => configOf(name).Driver['IPAddress']);
    expect(new Set(addresses).size).toBe(2);
    for (const name of [builder, spare]) expect(configOf(name).Driver['IPAddress']).toBe(store.address(name));
  });

  test('a job: config, url and inspect before, commands in the machine during, provision and ls beside it', async () => {
    const work = Array.from({ length: 4 }, (_, index) =>
      store.succeed(['ssh', builder, `docker info --format '{{.Name}} ${index}'`]),
    );
    const [config, url, inspected, mended, listed, ...said] = await Promise.all([
      store.succeed(['config', builder]),
      store.succeed(['url', builder]),
      store.succeed(['inspect', builder]),
      store.succeed(['provision', spare]),
      store.succeed(['ls', '-q', '--filter', 'state=Running']),
      ...work,
    ]);
    expect(config).toContain(`-H=tcp://${store.address(builder)}:2376`);
    expect(url).toBe(`tcp://${store.address(builder)}:2376`);
    expect(JSON.parse(inspected)).toMatchObject({ Name: builder, Driver: { IPAddress: store.address(builder) } });
    expect(mended).toBeDefined();
    expect(listed.split('\n').sort()).toEqual([builder, spare]);
    expect(said).toEqual([0, 1, 2, 3].map((index) => `${builder} ${index}`));
  });

  test('a machine that is off ends "config" with status 1, which is how the Runner finds out', async () => {
    await store.succeed(['kill', spare]);
    const outcome = await store.machine(['config', spare]);
    expect([outcome.code, outcome.output]).toEqual([1, expect.stringContaining('Host is not running')]);
  });

  test('it removes all at once, by force or not, and nothing is left', async () => {
    const gone = store.machine(['rm', '-y', doomed]);
    await Promise.all([remove(builder), store.succeed(['rm', '-f', spare])]);
    expect((await gone).output).toContain('does not exist');
    await watch.end();
    expect(watch.looks).toBeGreaterThan(100);
    expect(store.machines()).toEqual([]);
    for (const name of [builder, spare, doomed]) expect(listeningOn(store.address(name))).toEqual([]);
    await store.becomesQuiet(60_000);
  });
});

function nameIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).Name;
  } catch {
    return undefined;
  }
}
