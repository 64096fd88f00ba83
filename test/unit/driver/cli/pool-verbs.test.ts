import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { identifyProcess } from '../../../../engine/machine/process-identity';
import { PROJECT } from '../../../support/peers';
import { type Outcome, type RunOptions, run } from '../../../support/run';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

// The program that ships, on stores in which no virtual machine runs.
jest.setTimeout(120_000);
const HYPERKIT = path.join(PROJECT, 'dist/hyperkit.cjs');

let store = '';
beforeEach(() => {
  store = temporaryFolder();
});
afterEach(() => rmSync(store, { recursive: true, force: true }));

const hyperkit = (words: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
  run(process.execPath, [HYPERKIT, ...words], {
    ...options,
    env: { ...process.env, MACHINE_STORAGE_PATH: store, HOME: store, XDG_CACHE_HOME: store, NO_COLOR: '1' },
  });
const inStore = (...parts: readonly string[]): string => path.join(store, ...parts);
const machines = (): readonly string[] => (existsSync(inStore('machines')) ? readdirSync(inStore('machines')) : []);
const poolFiles = (pool: string): readonly string[] =>
  existsSync(inStore('pools', pool)) ? readdirSync(inStore('pools', pool)) : [];

function put(file: string, content: unknown): void {
  mkdirSync(path.dirname(inStore(file)), { recursive: true });
  writeFileSync(inStore(file), typeof content === 'string' ? content : JSON.stringify(content));
}

const putPool = (pool: string): void =>
  put(`pools/${pool}/pool.json`, { size: 2, memoryLimitMiB: 4000, costMiB: 1152 });

/** A machine that `pid` seems to run. */
async function putMachine(name: string, mark: string, pid = process.pid): Promise<void> {
  const driver = { MachineName: name, IPAddress: '127.9.9.9', SSHPort: 22 };
  const config = { ConfigVersion: 3, Driver: driver, DriverName: 'hyperkit', HostOptions: {}, Name: name };
  put(`machines/${name}/config.json`, config);
  const state = {
    ...((await identifyProcess(process.pid)) ?? {}),
    pid,
    state: 'running',
    startedAt: new Date().toISOString(),
    ports: [],
    resets: 0,
    children: [],
  };
  put(`machines/${name}/machine-state.json`, state);
  put(`machines/${name}/pool-${mark}`, { key: 'x', costMiB: 1152 });
}

test('options alone keep a pool', async () => {
  const [long, short] = await Promise.all([hyperkit(['pool', 'run', '--help']), hyperkit(['pool', '--help'])]);
  expect(short).toMatchObject({ code: 0, stdout: long.stdout });
  expect(await hyperkit(['pool', '--size', '0'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--size') });
  expect(await hyperkit(['pool'])).toMatchObject({ code: 2 });
});

describe('pool take', () => {
  test('of twenty takers at once five get the five machines, each another one', async () => {
    putPool('ci');
    const names = ['ci-000001', 'ci-000002', 'ci-000003', 'ci-000004', 'ci-000005'];
    for (const name of names) await putMachine(name, 'ready');
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => hyperkit(['pool', 'take', '--timeout', '0', 'ci'])),
    );
    const taken = outcomes.filter(({ code }) => code === 0).map(({ stdout }) => stdout.trim());
    expect(taken.sort()).toEqual(names);
    for (const { code, stderr } of outcomes.filter((outcome) => outcome.code !== 0)) {
      expect([code, stderr]).toEqual([6, expect.stringContaining('cannot take a machine of pool "ci"')]);
    }
    for (const name of names) expect(readdirSync(inStore('machines', name))).toContain('pool-taken');
  });

  test('passes over what does not run, is of another pool or of nobody', async () => {
    putPool('ci');
    await putMachine('ci-000001', 'ready', 4_000_000);
    await putMachine('ci-000002', 'taken');
    await putMachine('ci-000003', 'retired');
    await putMachine('ci-two-000004', 'ready');
    await putMachine('ci-mine', 'ready');
    await putMachine('ci-000005', 'ready');
    const outcome = await hyperkit(['pool', 'take', '--json', 'ci']);
    expect(outcome.code).toBe(0);
    expect(JSON.parse(outcome.stdout)).toEqual({
      name: 'ci-000005',
      address: '127.9.9.9',
      url: 'tcp://127.9.9.9:2376',
      certPath: inStore('machines', 'ci-000005'),
    });
    // So that its keeper removes it.
    expect(readdirSync(inStore('machines/ci-000001'))).toContain('pool-retired');
  });

  test('waits for one, and says so', async () => {
    putPool('ci');
    let heard = '';
    const taking = hyperkit(['pool', 'take', 'ci'], {
      heard: (text) => {
        heard += text;
      },
    });
    await until('it waits', () => heard.includes('No machine of pool "ci" is ready; waiting for one'));
    await putMachine('ci-000001', 'ready');
    expect(await taking).toMatchObject({ code: 0, stdout: 'ci-000001\n' });
  });

  test('may be there before the pool is', async () => {
    const taking = hyperkit(['pool', 'take', 'ci']);
    await until('it runs', () => new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 500)));
    putPool('ci');
    await putMachine('ci-000001', 'ready');
    expect(await taking).toMatchObject({ code: 0, stdout: 'ci-000001\n' });
  });

  test('without a keeper it does not wait for long', async () => {
    putPool('ci');
    const outcome = await hyperkit(['pool', 'take', '--json', '--timeout', '1000', 'ci']);
    expect(outcome).toMatchObject({ code: 6, stdout: '' });
    const { error } = JSON.parse(outcome.stderr.trim().split('\n').at(-1) ?? '') as { error: object };
    expect(error).toMatchObject({ code: 'HK_POOL_EMPTY', message: expect.stringContaining('nobody keeps the pool') });
  });

  test.each([
    { words: ['ghost'], code: 4, text: 'pool "ghost" does not exist' },
    { words: ['../machines'], code: 2, text: 'cannot name a machine "../machines"' },
    { words: ['a', 'b'], code: 2, text: 'needs the name of one pool' },
    { words: ['--timeout', 'long', 'ci'], code: 2, text: 'cannot use --timeout' },
  ])('$words: status $code', async ({ words, code, text }) => {
    const outcome = await hyperkit(['pool', 'take', ...words]);
    expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) });
  });
});

describe('pool run', () => {
  test.each([
    { words: ['--size', '0'], text: 'cannot use --size' },
    { words: ['--size', 'many'], text: 'cannot use --size' },
    { words: ['--memory-limit', '1151'], text: 'one machine takes 1152 MB' },
    { words: ['--memory-limit', '-1'], text: 'cannot use --memory-limit' },
    { words: ['--memory-size', '1'], text: 'hyperkit-memory-size' },
    { words: ['--engine-label', 'x'], text: 'cannot use --engine-label' },
    { words: ['--parallel', '0'], text: 'cannot use --parallel' },
    { words: ['--uuid', '3a1f6a44-9c1e-4be8-8d3c-0242ac120002'], text: 'Unknown argument' },
    { words: ['one', 'two'], text: 'needs the name of one pool' },
    { words: ['a/b'], text: 'cannot name a machine "a/b-000000"' },
  ])('$words is refused with status 2, and nothing is made', async ({ words, text }) => {
    const outcome = await hyperkit(['pool', 'run', ...words]);
    expect(outcome).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(text) });
    expect(readdirSync(store)).toEqual([]);
  });

  test('creates that are refused are tried again until a signal ends it, and nothing stays', async () => {
    let keeper = 0;
    let heard = '';
    const size = ['--size', '12', '--parallel', '12', '--memory-limit', '20000'];
    const running = hyperkit(['pool', 'run', '--json', ...size, '--boot2docker-url', '/nowhere.iso', 'ci'], {
      started: ({ pid = 0 }) => {
        keeper = pid;
      },
      heard: (text) => {
        heard += text;
      },
    });
    await until('it has tried again', () => heard.split('"event":"failed"').length > 12 + 1);
    const [pool] = JSON.parse((await hyperkit(['pool', 'ls', '--json'])).stdout) as readonly object[];
    expect(pool).toMatchObject({ name: 'ci', size: 12, ready: [], taken: [], keeper });
    const second = await hyperkit(['pool', 'run', 'ci']);
    expect(second).toMatchObject({ code: 5, stderr: expect.stringContaining(`process ${keeper} keeps it`) });
    expect((await hyperkit(['pool', 'rm', '-y', 'ci'])).code).toBe(5);
    process.kill(keeper, 'SIGTERM');
    const { code, stdout, stderr } = await running;
    expect([code, stderr]).toEqual([0, '']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly event: string });
    expect(events[0]).toMatchObject({ event: 'started', pool: 'ci', size: 12, at: expect.stringContaining('T') });
    expect(events.find(({ event }) => event === 'failed')).toMatchObject({
      machine: expect.stringMatching(/^ci-[0-9a-f]{6}$/),
      error: { code: expect.stringMatching(/^HK_/), message: expect.stringContaining('/nowhere.iso') },
      retrySeconds: 1,
    });
    expect(events.at(-1)?.event).toBe('stopping');
    expect([machines(), readdirSync(inStore('pools'))]).toEqual([[], []]);
  });

  test('ready machines of a keeper that is gone are taken over, or removed by the end', async () => {
    putPool('ci');
    put('pools/ci/keeper.lock', { pid: 4_000_000, startTime: '1', bootId: 'x', command: 'hyperkit pool run ci' });
    put('pools/ci/ci-000009.unfinished', '');
    await putMachine('ci-000001', 'ready', 4_000_000);
    await putMachine('ci-000002', 'taken', 4_000_000);
    put('machines/ci-000009/id_rsa', '');
    const words = ['pool', 'run', '--keep', '--size', '1', '--boot2docker-url', '/nowhere.iso', 'ci'];
    let heard = '';
    const outcome = await hyperkit(words, {
      started: (child) => {
        void until(
          'all is cleared',
          () => heard.includes('ci-000009: removed') && heard.includes('ci-000001: removed'),
        ).finally(() => child.kill('SIGINT'));
      },
      heard: (text) => {
        heard += text;
      },
    });
    expect(outcome.code).toBe(0);
    expect(machines()).toEqual(['ci-000002']);
    expect(poolFiles('ci')).toEqual(['pool.json']);
  });
});

describe('pool ls', () => {
  test('of a store without pools', async () => {
    expect((await hyperkit(['pool', 'ls', '--json'])).stdout).toBe('[]\n');
    expect((await hyperkit(['pool', 'ls'])).stdout).toMatch(/^NAME +SIZE +READY +UNFINISHED +TAKEN +MEMORY +KEEPER\n$/);
  });

  test('counts what counts, and tells of what is damaged', async () => {
    putPool('ci');
    put('pools/broken/pool.json', '{');
    await putMachine('ci-000001', 'ready');
    await putMachine('ci-000002', 'taken');
    put('machines/ci-000003/pool-taken', 'damaged');
    put('pools/ci/ci-000004.unfinished', '');
    const outcome = await hyperkit(['pool', 'ls']);
    expect(outcome).toMatchObject({ code: 0, stderr: expect.stringContaining('broken/pool.json is damaged') });
    expect(outcome.stdout.split('\n').map((line) => line.split(/\s{2,}/))).toEqual([
      ['NAME', 'SIZE', 'READY', 'UNFINISHED', 'TAKEN', 'MEMORY', 'KEEPER'],
      ['broken', 'Error'],
      ['ci', '2', '1', '1', '2', '4608/4000', 'none'],
      [''],
    ]);
    expect((await hyperkit(['pool', 'ls', '-q'])).stdout).toBe('broken\nci\n');
  });
});

describe('pool rm', () => {
  test('removes what nobody has taken, and the pool', async () => {
    putPool('ci');
    await putMachine('ci-000001', 'ready', 4_000_000);
    await putMachine('ci-000002', 'taken');
    put('pools/ci/ci-000003.unfinished', '');
    put('machines/ci-000003/id_rsa', '');
    await putMachine('ci-other', 'ready', 4_000_000);
    expect((await hyperkit(['pool', 'rm', 'ci'])).code).toBe(2);
    const outcome = await hyperkit(['pool', 'rm', '-y', '--json', 'ci']);
    expect(outcome.code).toBe(0);
    expect(JSON.parse(outcome.stdout)).toEqual({
      name: 'ci',
      machines: ['ci-000001', 'ci-000003'],
      removed: true,
    });
    expect([machines(), readdirSync(inStore('pools'))]).toEqual([['ci-000002', 'ci-other'], []]);
    expect((await hyperkit(['pool', 'rm', '-y', 'ci'])).code).toBe(4);
  });
});

test('doctor tells of a pool that nobody keeps', async () => {
  putPool('ci');
  await putMachine('ci-000001', 'ready');
  const { findings } = JSON.parse((await hyperkit(['doctor', '--json'])).stdout) as { findings: unknown };
  expect(findings).toContainEqual({
    subject: 'pool ci',
    level: 'warn',
    text: 'nobody keeps it; 1 machines of it are ready, 0 unfinished',
    mend: 'hyperkit pool rm -y ci',
    fixable: false,
  });
});
