import { formatColumns } from '../../../../driver/cli/columns';
import { CommandOutput, chooseStyle, printable } from '../../../../driver/cli/command-output';
import { exitStatusOf } from '../../../../driver/cli/exit-status';
import { printFailure } from '../../../../driver/cli/failure';
import { parseFilters } from '../../../../driver/cli/machine-filter';
import { Progress } from '../../../../driver/cli/progress';
import { detectShell, formatEnvironment, noProxyWith, SHELLS } from '../../../../driver/cli/shell-environment';
import { DriverError } from '../../../../driver/errors';

function capture(options: { readonly live?: boolean; readonly json?: boolean; readonly quiet?: boolean } = {}) {
  const said = { stdout: '', stderr: '' };
  const sink = (name: keyof typeof said) => ({
    write: (text: string) => {
      said[name] += text;
    },
  });
  const style = { json: false, quiet: false, debug: false, live: false, colour: false, ...options };
  return { said, output: new CommandOutput(style, sink('stdout'), sink('stderr')) };
}

test('columns are those of docker-machine ls', () => {
  const rows = [
    ['NAME', 'ACTIVE', 'DRIVER', 'STATE', 'URL', 'SWARM', 'DOCKER', 'ERRORS'],
    ['dev', '-', 'hyperkit', 'Running', 'tcp://127.83.242.136:2376', '', 'v26.1.5', ''],
    ['a-longer-name', '*', 'hyperkit', 'Stopped', '', '', 'Unknown', ''],
  ];
  expect(formatColumns(rows)).toBe(
    [
      'NAME            ACTIVE   DRIVER     STATE     URL                         SWARM   DOCKER    ERRORS',
      'dev             -        hyperkit   Running   tcp://127.83.242.136:2376           v26.1.5   ',
      'a-longer-name   *        hyperkit   Stopped                                       Unknown   ',
    ].join('\n'),
  );
});

test.each([
  ['a terminal', {}, true, { live: true, colour: true }],
  ['a pipe', {}, false, { live: false, colour: false }],
  ['CI', { CI: 'true' }, true, { live: false, colour: false }],
  ['NO_COLOR', { NO_COLOR: '1' }, true, { live: true, colour: false }],
  ['an empty NO_COLOR', { NO_COLOR: '' }, true, { live: true, colour: true }],
  ['a dumb terminal', { TERM: 'dumb' }, true, { live: false, colour: false }],
])('style on %s', (_title, env, isTerminal, expected) => {
  expect(chooseStyle({ json: false, quiet: false, debug: false }, { isTerminal, env })).toMatchObject(expected);
});

test('progress off a terminal is one plain line per step, and none with --quiet', () => {
  const { said, output } = capture();
  const progress = new Progress(output, 'dev', true);
  progress.phase('Starting "dev"');
  progress.hear('Booting the virtual machine...');
  progress.hear('45% of 154 MB');
  progress.done();
  expect(said).toEqual({
    stdout: '',
    stderr: 'Starting "dev"...\n(dev) Booting the virtual machine...\n(dev) 45% of 154 MB\n',
  });
  const quiet = capture({ quiet: true });
  const silent = new Progress(quiet.output, 'dev', true);
  silent.phase('Starting');
  silent.failed();
  expect(quiet.said.stderr).toBe('');
});

test('progress on a terminal rewrites its line and leaves what was done', () => {
  const { said, output } = capture({ live: true });
  const progress = new Progress(output, 'dev', true);
  progress.phase('Downloading');
  progress.hear('45% of 154 MB');
  progress.phase('Booting');
  progress.failed();
  const lines = said.stderr.split('\r\x1b[K');
  expect(lines.some((line) => line.startsWith('  Downloading: 45% of 154 MB'))).toBe(true);
  expect(lines).toContain('✓ Downloading\n');
  expect(lines.at(-1)).toBe('✗ Booting\n');
});

test('a failure is one line, or JSON for programs, and escape sequences lose their teeth', () => {
  const error = new DriverError('HK_MACHINE_UNKNOWN', 'machine "x\x1b[2J" does not exist');
  const people = capture();
  printFailure(people.output, error);
  expect(people.said.stderr).toBe('hyperkit: machine "x?[2J" does not exist\n');
  const programs = capture({ json: true });
  printFailure(programs.output, error);
  expect(JSON.parse(programs.said.stderr)).toEqual({ error: { code: error.code, message: error.message } });
  expect(printable('tab\tand\nline stay')).toBe('tab\tand\nline stay');
});

test.each([
  ['HK_USAGE', 2],
  ['HK_FLAG_INVALID', 2],
  ['HK_MACHINE_UNKNOWN', 4],
  ['HK_MACHINE_BUSY', 5],
  ['HK_CLIENT_GONE', 130],
  ['HK_SSH_UNREACHABLE', 1],
] as const)('%s ends with status %d', (code, status) => {
  expect(exitStatusOf(new DriverError(code, 'text'))).toBe(status);
});

const CHANGES = [
  { name: 'DOCKER_TLS_VERIFY', value: '1' },
  { name: 'DOCKER_HOST', value: 'tcp://127.65.0.1:2376' },
];

test('env is what docker-machine prints, for every shell', () => {
  const printed = Object.fromEntries(
    SHELLS.map((shell) => [shell, formatEnvironment(shell, CHANGES, 'hyperkit env dev')]),
  );
  const bourne = `export DOCKER_TLS_VERIFY="1"
export DOCKER_HOST="tcp://127.65.0.1:2376"
# Run this command to configure your shell: 
# eval $(hyperkit env dev)`;
  expect(printed).toEqual({
    bash: bourne,
    zsh: bourne,
    sh: bourne,
    fish: `set -gx DOCKER_TLS_VERIFY "1";
set -gx DOCKER_HOST "tcp://127.65.0.1:2376";
# Run this command to configure your shell: 
# eval (hyperkit env dev)`,
    powershell: `$Env:DOCKER_TLS_VERIFY = "1"
$Env:DOCKER_HOST = "tcp://127.65.0.1:2376"
# Run this command to configure your shell: 
# & hyperkit env dev | Invoke-Expression`,
    cmd: `SET DOCKER_TLS_VERIFY=1
SET DOCKER_HOST=tcp://127.65.0.1:2376
REM Run this command to configure your shell: 
REM \t@FOR /f "tokens=*" %i IN ('hyperkit env dev') DO @%i`,
  });
  const unset = [{ name: 'DOCKER_HOST', value: undefined }];
  expect(SHELLS.map((shell) => formatEnvironment(shell, unset, 'x').split('\n')[0])).toEqual([
    'unset DOCKER_HOST',
    'unset DOCKER_HOST',
    'unset DOCKER_HOST',
    'set -e DOCKER_HOST;',
    'Remove-Item Env:\\\\DOCKER_HOST',
    'SET DOCKER_HOST=',
  ]);
});

test('a folder with odd characters does not become code', () => {
  const changes = [{ name: 'DOCKER_CERT_PATH', value: '/tmp/$(touch x)/`y`/"z"\\' }];
  expect(formatEnvironment('bash', changes, 'x').split('\n')[0]).toBe(
    'export DOCKER_CERT_PATH="/tmp/\\$(touch x)/\\`y\\`/\\"z\\"\\\\"',
  );
});

test('the shell is the one given, else that of SHELL', () => {
  expect(detectShell('', { SHELL: '/usr/bin/fish' })).toBe('fish');
  expect(detectShell('', { SHELL: '/bin/dash' })).toBe('sh');
  expect(detectShell('cmd', { SHELL: '/bin/bash' })).toBe('cmd');
  expect(() => detectShell('perl', {})).toThrow(/one of bash, zsh, sh, fish, powershell, cmd/);
});

test('NO_PROXY gets the address once', () => {
  expect(noProxyWith('127.65.0.1', {})).toEqual({ name: 'NO_PROXY', value: '127.65.0.1' });
  expect(noProxyWith('127.65.0.1', { no_proxy: 'a,b' })).toEqual({ name: 'no_proxy', value: 'a,b,127.65.0.1' });
  expect(noProxyWith('127.65.0.1', { NO_PROXY: 'a,127.65.0.1' })).toEqual({ name: 'NO_PROXY', value: 'a,127.65.0.1' });
});

test('filters: one of the same key, all of different keys', async () => {
  const machine = {
    name: 'ci-1',
    driverName: 'hyperkit',
    state: async () => 'Running',
    document: { HostOptions: { EngineOptions: { Labels: ['tier=one'] } } },
  };
  const matches = (...words: readonly string[]): Promise<boolean> => parseFilters(words)(machine);
  expect(await matches()).toBe(true);
  expect(await matches('name=^ci-', 'driver=HyperKit', 'state=running', 'label=tier=one')).toBe(true);
  expect(await matches('name=x', 'name=ci')).toBe(true);
  expect(await matches('name=ci', 'state=Stopped')).toBe(false);
  expect(await matches('label=tier=two')).toBe(false);
  for (const word of ['name', 'colour=red', 'name=(', '=x'])
    expect(() => parseFilters([word])).toThrow(/cannot use --filter/);
});
