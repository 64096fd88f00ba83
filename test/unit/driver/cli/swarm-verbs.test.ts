import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PROJECT } from '../../../support/peers';
import { type Outcome, run } from '../../../support/run';
import { temporaryFolder } from '../../../support/temporary-folder';

// The program that ships, on stores in which no virtual machine runs.
jest.setTimeout(120_000);
const HYPERKIT = path.join(PROJECT, 'dist/hyperkit.cjs');

let store = '';
beforeEach(() => {
  store = temporaryFolder();
});
afterEach(() => rmSync(store, { recursive: true, force: true }));

const hyperkit = (...words: readonly string[]): Promise<Outcome> =>
  run(process.execPath, [HYPERKIT, ...words], {
    env: { ...process.env, MACHINE_STORAGE_PATH: store, HOME: store, NO_COLOR: '1' },
  });
const inStore = (...parts: readonly string[]): string => path.join(store, ...parts);
const machines = (): readonly string[] => (existsSync(inStore('machines')) ? readdirSync(inStore('machines')) : []);

function put(file: string, content: unknown): void {
  mkdirSync(path.dirname(inStore(file)), { recursive: true });
  writeFileSync(inStore(file), typeof content === 'string' ? content : JSON.stringify(content));
}

function putMachine(name: string, vpnkitSock: string, driver = 'hyperkit'): void {
  const config = {
    ConfigVersion: 3,
    Driver: { VpnKitSock: vpnkitSock },
    DriverName: driver,
    HostOptions: {},
    Name: name,
  };
  put(`machines/${name}/config.json`, config);
}

/** A swarm of two machines that are off. */
function putSwarm(name: string): void {
  put(`swarms/${name}/swarm.json`, { managers: [`${name}-manager-1`], workers: [`${name}-worker-1`] });
  putMachine(`${name}-manager-1`, `swarm:${name}`);
  putMachine(`${name}-worker-1`, `swarm:${name}`);
}

describe('swarm create', () => {
  test.each([
    { words: ['--managers', '0'], text: 'cannot use --managers' },
    { words: ['--managers', 'many'], text: 'cannot use --managers' },
    { words: ['--workers', '-1'], text: 'cannot use --workers' },
    { words: ['--label', '=x'], text: 'cannot use --label==x' },
    { words: ['--workers', '0', '--drain-managers'], text: 'nobody would run services' },
    { words: ['--parallel', '0'], text: 'cannot use --parallel' },
    { words: ['one', 'two'], text: 'needs the name of one swarm' },
    { words: ['a/b'], text: 'cannot name a machine "a/b-manager-1"' },
    { words: ['--uuid', '3a1f6a44-9c1e-4be8-8d3c-0242ac120002'], text: 'Unknown argument' },
    { words: ['--host-ports', '80'], text: 'Unknown argument' },
  ])('$words is refused with status 2, and nothing is made', async ({ words, text }) => {
    const outcome = await hyperkit('swarm', 'create', ...words);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain(text);
    expect(readdirSync(store)).toEqual([]);
  });

  test('a swarm or a machine of that name is left alone', async () => {
    putSwarm('prod');
    const again = await hyperkit('swarm', 'create', 'prod');
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('there is a machine "prod-manager-1" already');
    rmSync(inStore('machines'), { recursive: true });
    expect((await hyperkit('swarm', 'create', 'prod')).stderr).toContain(
      'cannot make swarm "prod": there is one already',
    );
    expect(machines()).toEqual([]);
  });

  test('what no machine can be made with leaves no swarm', async () => {
    const outcome = await hyperkit('swarm', 'create', '--workers', '1', '--memory-size', '1', '--json', 'prod');
    expect(outcome.code).toBe(2);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      name: 'prod',
      machines: [{ error: { code: 'HK_FLAG_INVALID' } }, { error: { code: 'HK_FLAG_INVALID' } }],
    });
    expect(readdirSync(inStore('swarms'))).toEqual([]);
    expect(machines()).toEqual([]);
  });

  test('a store whose path leaves no room for a socket is refused with what to do', async () => {
    const deep = inStore('x'.repeat(100));
    const outcome = await hyperkit('--storage-path', deep, 'swarm', 'create', 'prod');
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('take a shorter --storage-path or name');
    expect(existsSync(deep)).toBe(false);
  });
});

describe('swarm ls', () => {
  test('of a store without swarms', async () => {
    expect(await hyperkit('swarm', 'ls')).toMatchObject({ code: 0, stdout: 'NAME   MANAGERS   WORKERS   STATE\n' });
    expect((await hyperkit('swarm', 'ls', '--json')).stdout).toBe('[]\n');
  });

  test('counts machines by what they are now, and tells of what is damaged', async () => {
    putSwarm('prod');
    rmSync(inStore('machines/prod-worker-1'), { recursive: true });
    put('swarms/broken/swarm.json', '{');
    const outcome = await hyperkit('swarm', 'ls');
    expect(outcome).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('broken/swarm.json is missing or damaged'),
    });
    expect(outcome.stdout.split('\n').map((line) => line.split(/\s{2,}/))).toEqual([
      ['NAME', 'MANAGERS', 'WORKERS', 'STATE'],
      ['broken', '0', '0', 'Error'],
      ['prod', '1', '0', 'Stopped'],
      [''],
    ]);
    expect((await hyperkit('swarm', 'ls', '-q')).stdout).toBe('broken\nprod\n');
  });
});

describe('swarm rm', () => {
  test('of a swarm that is not there: status 4', async () => {
    for (const words of [['ghost'], ['-y', 'ghost'], ['-f', 'ghost']]) {
      const outcome = await hyperkit('swarm', 'rm', ...words);
      expect(outcome).toMatchObject({
        code: 4,
        stdout: '',
        stderr: expect.stringContaining('swarm "ghost" does not exist'),
      });
    }
    expect((await hyperkit('swarm', 'rm', '-y')).code).toBe(2);
    expect((await hyperkit('swarm', 'rm', '-y', '../machines')).code).toBe(4);
  });

  test('asks before, and does nothing when nobody answers', async () => {
    putSwarm('prod');
    const outcome = await hyperkit('swarm', 'rm', 'prod');
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('give -y') });
    expect(machines()).toHaveLength(2);
  });

  test('machines that are off or gone are no hindrance, and those of others are left alone', async () => {
    putSwarm('prod');
    putSwarm('test');
    rmSync(inStore('machines/prod-worker-1'), { recursive: true });
    // Somebody's own machine under an old name.
    putMachine('prod-worker-1', '');
    putMachine('cloud', 'swarm:prod', 'amazonec2');
    expect(await hyperkit('swarm', 'rm', '-y', 'prod')).toMatchObject({ code: 0 });
    expect([...machines()].sort()).toEqual(['cloud', 'prod-worker-1', 'test-manager-1', 'test-worker-1']);
    expect(readdirSync(inStore('swarms'))).toEqual(['test']);
  });

  test('what is damaged is removed by -f only', async () => {
    putSwarm('prod');
    put('machines/prod-worker-1/config.json', '{');
    const refused = await hyperkit('swarm', 'rm', '-y', 'prod');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('its config.json is damaged') });
    expect(machines()).toEqual(['prod-worker-1']);
    expect(readdirSync(inStore('swarms'))).toEqual(['prod']);
    expect(await hyperkit('swarm', 'rm', '-f', 'prod')).toMatchObject({ code: 0 });
    expect(machines()).toEqual([]);
    expect(readdirSync(inStore('swarms'))).toEqual([]);
  });
});

test('rm of the last machine takes the swarm along', async () => {
  putSwarm('prod');
  await hyperkit('rm', '-y', 'prod-worker-1');
  expect(readdirSync(inStore('swarms'))).toEqual(['prod']);
  await hyperkit('rm', '-y', 'prod-manager-1');
  expect(readdirSync(inStore('swarms'))).toEqual([]);
});

test('doctor tells of a swarm without machines', async () => {
  put('swarms/prod/swarm.json', { managers: [], workers: [] });
  const { findings } = JSON.parse((await hyperkit('doctor', '--json')).stdout) as { findings: unknown };
  expect(findings).toContainEqual({
    subject: 'swarm prod',
    level: 'warn',
    text: 'it has no machines',
    mend: 'hyperkit swarm rm -f prod',
    fixable: false,
  });
});
