import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { COMMANDS } from '../../../../driver/cli/command-table';
import { lockMachine } from '../../../../driver/lifecycle/machine-lock';
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
    env: { ...process.env, MACHINE_STORAGE_PATH: store, HOME: store, NO_COLOR: '1', SHELL: '/bin/bash' },
  });
const folderOf = (name: string): string => path.join(store, 'machines', name);

function put(
  name: string,
  content: unknown = { ConfigVersion: 3, Driver: {}, DriverName: 'hyperkit', HostOptions: {}, Name: name },
) {
  mkdirSync(folderOf(name), { recursive: true });
  writeFileSync(
    path.join(folderOf(name), 'config.json'),
    typeof content === 'string' ? content : JSON.stringify(content),
  );
}
const putForeign = (name: string) =>
  put(name, { ConfigVersion: 3, Driver: {}, DriverName: 'amazonec2', HostOptions: {}, Name: name });

/** Verbs that work on one machine, with what they need not to ask. */
const VERBS = [
  ['start'],
  ['stop'],
  ['restart'],
  ['suspend'],
  ['resume'],
  ['kill'],
  ['rm', '-y'],
  ['status'],
  ['ip'],
  ['url'],
  ['env'],
  ['config'],
  ['upgrade'],
  ['regenerate-certs', '-f'],
].map((words) => ({ title: words[0], words }));

describe.each(VERBS)('$title', ({ words }) => {
  test('of a machine that is not there: status 4, one line, nothing made', async () => {
    const outcome = await hyperkit(...words, 'ghost');
    expect(outcome.code).toBe(4);
    expect(outcome.stdout).toBe('');
    expect(outcome.stderr).toMatch(/^(.*"ghost".*\.\.\.\n)?hyperkit: machine "ghost" does not exist; .*\n$/);
    expect(existsSync(path.join(store, 'machines'))).toBe(false);
  });

  test('of a machine whose config.json is damaged: status 1, and nothing is lost', async () => {
    put('dev', '{"ConfigVersion":');
    const outcome = await hyperkit(...words, 'dev');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/cannot use machine "dev": its config\.json is damaged.*hyperkit rm -f dev/);
    expect(readFileSync(path.join(folderOf('dev'), 'config.json'), 'utf8')).toBe('{"ConfigVersion":');
  });

  test('of a machine of another driver: status 1, and it is not touched', async () => {
    putForeign('cloud');
    const before = readFileSync(path.join(folderOf('cloud'), 'config.json'));
    const outcome = await hyperkit(...words, 'cloud');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('its driver is "amazonec2", not hyperkit; use docker-machine for it');
    expect(readFileSync(path.join(folderOf('cloud'), 'config.json'))).toEqual(before);
  });
});

test.each([['start'], ['stop'], ['status'], ['ip'], ['url'], ['env'], ['config'], ['inspect'], ['upgrade']])(
  '%s without a name means "default"',
  async (verb) => {
    const outcome = await hyperkit(verb);
    expect(outcome.code).toBe(4);
    expect(outcome.stderr).toContain('machine "default" does not exist');
  },
);

test.each([['create'], ['rm']])('%s without a name guesses nothing', async (verb) => {
  const outcome = await hyperkit(verb);
  expect(outcome.code).toBe(2);
  expect(outcome.stderr).toContain(`"hyperkit ${verb}" needs the name of a machine`);
});

test.each([['url'], ['ip'], ['env'], ['config'], ['version']])(
  '%s of a stopped machine says what docker-machine says',
  async (verb) => {
    put('dev');
    const outcome = await hyperkit(verb, 'dev');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('Host is not running');
  },
);

test('stop and kill of a stopped machine say so', async () => {
  put('dev');
  for (const verb of ['stop', 'kill']) {
    const outcome = await hyperkit(verb, 'dev');
    expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('machine "dev" is already stopped')]);
  }
});

test('what another command works on is refused with who holds it: status 5', async () => {
  put('dev');
  const paths = { directory: folderOf('dev'), lock: path.join(folderOf('dev'), 'hyperkit.lock') };
  const lock = await lockMachine(paths, 'dev', 'hyperkit upgrade dev');
  for (const words of [['start'], ['stop'], ['rm', '-y'], ['restart'], ['upgrade']]) {
    const outcome = await hyperkit(...words, 'dev');
    expect([outcome.code, outcome.stderr]).toEqual([
      5,
      expect.stringContaining(`"hyperkit upgrade dev" (process ${process.pid}) is working on it`),
    ]);
  }
  await lock.release();
});

test('ls shows every machine, broken ones and other drivers’ too', async () => {
  put('machine-10');
  put('machine-2');
  putForeign('cloud');
  put('bad', '[]');
  const { code, stdout } = await hyperkit('ls', '-f', '{{.Name}}|{{.DriverName}}|{{.State}}|{{.DockerVersion}}');
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual([
    'bad|not found|Error|',
    'cloud|amazonec2|Unknown|Unknown',
    'machine-2|hyperkit|Stopped|Unknown',
    'machine-10|hyperkit|Stopped|Unknown',
    '',
  ]);
  expect((await hyperkit('ls', '-q', '--filter', 'driver=hyperkit', '--filter', 'state=stopped')).stdout).toBe(
    'bad\nmachine-2\nmachine-10\n',
  );
  expect(JSON.parse((await hyperkit('ls', '--json')).stdout)).toHaveLength(4);
  expect((await hyperkit('ls')).stdout.split('\n')[0]).toBe(
    'NAME         ACTIVE   DRIVER      STATE     URL   SWARM   DOCKER    ERRORS',
  );
});

test('ls of a store that is not there', async () => {
  const outcome = await hyperkit('ls', '--storage-path', path.join(store, 'nowhere'));
  expect([outcome.code, outcome.stdout, outcome.stderr]).toEqual([
    0,
    'NAME   ACTIVE   DRIVER   STATE   URL   SWARM   DOCKER   ERRORS\n',
    '',
  ]);
});

test('inspect shows config.json with what it means to the driver', async () => {
  put('dev', {
    ConfigVersion: 3,
    Driver: { IPAddress: '127.65.9.9', Odd: 1 },
    DriverName: 'hyperkit',
    HostOptions: { Memory: 0 },
    Name: 'dev',
  });
  expect(
    (await hyperkit('inspect', '-f', '{{.Driver.IPAddress}} {{.Driver.Odd}} {{.Name}} {{.HostOptions.Memory}}', 'dev'))
      .stdout,
  ).toBe('127.65.9.9 1 dev 0\n');
  expect(JSON.parse((await hyperkit('inspect', 'dev')).stdout)).toMatchObject({
    Name: 'dev',
    Driver: { MachineName: 'dev' },
  });
  putForeign('cloud');
  expect(JSON.parse((await hyperkit('inspect', 'cloud')).stdout)).toMatchObject({ DriverName: 'amazonec2' });
});

test('rm -f removes what is damaged, rm asks where somebody could answer', async () => {
  put('bad', '{');
  mkdirSync(folderOf('half'));
  const outcome = await hyperkit('rm', '-f', 'bad', 'half');
  expect([outcome.code, existsSync(folderOf('bad')), existsSync(folderOf('half'))]).toEqual([0, false, false]);
  put('dev');
  const asked = await hyperkit('rm', 'dev');
  expect([asked.code, existsSync(folderOf('dev'))]).toEqual([2, true]);
  expect(asked.stderr).toContain('nobody can be asked whether that is meant; give -y');
  putForeign('cloud');
  expect([(await hyperkit('rm', '-f', 'cloud')).code, existsSync(folderOf('cloud'))]).toEqual([1, true]);
});

test('one that fails does not keep the others from being done', async () => {
  put('one');
  put('two');
  const outcome = await hyperkit('rm', '-y', '--json', 'one', 'ghost', 'two');
  expect(outcome.code).toBe(4);
  expect(JSON.parse(outcome.stdout)).toEqual([
    { name: 'one', removed: true },
    { name: 'ghost', error: { code: 'HK_MACHINE_UNKNOWN', message: expect.stringContaining('ghost') } },
    { name: 'two', removed: true },
  ]);
  expect(existsSync(folderOf('two'))).toBe(false);
});

describe('create refuses before anything exists', () => {
  test.each([
    [['--memory-size', 'much'], 2, /cannot use --hyperkit-memory-size=much: it must be a whole number/],
    [['--hyperkit-cpu-count', '0'], 2, /cannot use --hyperkit-cpu-count=0/],
    [['--engine', 'xen'], 2, /one of auto, native, qemu/],
    [['--boot2docker-url', '/no/such.iso'], 3, /\/no\/such\.iso/],
    [['--engine-label', 'no-value'], 2, /cannot use --engine-label=no-value: it must be name=value/],
    [['--engine-label', "a='; rm -rf /'"], 2, /one word without quotes/],
    [['--engine-opt', 'dns=$(id)'], 2, /one word without quotes/],
    [['--engine-env', 'A B=c'], 2, /NAME=value/],
    [['--parallel', '0'], 2, /--parallel/],
    [['-d', 'virtualbox'], 2, /this command makes machines of hyperkit/],
    [['--colour', 'red'], 2, /Unknown arguments?: colour/],
    [['--memory-size'], 2, /Not enough arguments/],
  ])('%j', async (words, code, text) => {
    const outcome = await hyperkit('create', 'dev', ...words);
    expect(outcome.stderr).toMatch(text);
    expect(outcome.code).toBe(code);
    expect(existsSync(folderOf('dev'))).toBe(false);
  });

  test('names that are none, and one that is taken', async () => {
    put('dev');
    for (const name of ['a_b', '.x', 'ä', '..']) {
      const outcome = await hyperkit('create', name);
      expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringContaining('cannot name a machine')]);
    }
    const outcome = await hyperkit('create', 'dev');
    expect([outcome.code, outcome.stderr]).toEqual([3, expect.stringContaining('it already exists')]);
  });
});

test('words that are none', async () => {
  expect(await hyperkit('frobnicate')).toMatchObject({
    code: 2,
    stderr: 'hyperkit: there is no verb "frobnicate"; "hyperkit --help" lists them\n',
  });
  expect(await hyperkit()).toMatchObject({ code: 2, stdout: '' });
  expect(await hyperkit('status', 'a', 'b')).toMatchObject({ code: 2 });
  expect(await hyperkit('status', '--verbose')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('hyperkit status --help'),
  });
  expect(await hyperkit('ls', '-f', '{{.Nope}}')).toMatchObject({ code: 2 });
  expect(await hyperkit('env', '--shell', 'perl')).toMatchObject({ code: 2 });
  const json = await hyperkit('status', '--json', 'ghost');
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'HK_MACHINE_UNKNOWN' } });
});

test('--help of the program and of every verb', async () => {
  const { code, stdout } = await hyperkit('--help');
  expect(code).toBe(0);
  for (const { verb, summary, load } of COMMANDS) {
    expect(stdout).toMatch(new RegExp(`^  ${verb} +${summary.slice(0, 10)}`, 'm'));
    expect((await load()).describe).not.toBe('');
  }
  expect((await hyperkit('create', 'dev', '--help')).stdout).toContain('--hyperkit-memory-size');
});

test('HyperKit’s own options stay HyperKit’s', async () => {
  expect((await hyperkit('-v')).stderr).toMatch(/^hyperkit: v0\.\d{8}\n/);
  expect((await hyperkit('-s', '0:0,hostbridge')).stderr).not.toContain('verb');
});

test('env --unset needs no machine', async () => {
  expect((await hyperkit('env', '-u')).stdout).toContain('unset DOCKER_HOST\n');
  expect((await hyperkit('env', '-u', 'dev')).code).toBe(2);
});

test('completion is made from the verbs there are, and shells can read it', async () => {
  put('dev');
  const bash = await hyperkit('completion', 'bash');
  const script = `hyperkit() { '${process.execPath}' '${HYPERKIT}' "$@"; }
${bash.stdout}
complete_words() { COMP_WORDS=(hyperkit "$@"); COMP_CWORD=$#; _hyperkit; echo "\${COMPREPLY[*]}"; }
complete_words st; complete_words stop d; complete_words ls --fil; complete_words image b`;
  const completed = await run('bash', ['-c', script], { env: { ...process.env, MACHINE_STORAGE_PATH: store } });
  expect(completed.stdout).toBe('start stop status\ndev\n--filter\nbuild\n');
  for (const shell of ['zsh', 'fish']) {
    const { stdout } = await hyperkit('completion', shell);
    for (const { verb } of COMMANDS) expect(stdout).toContain(verb.split(' ')[0]);
  }
  expect((await hyperkit('completion', 'tcsh')).code).toBe(2);
});
