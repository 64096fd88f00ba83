import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { serveConsole } from '../../../../engine/console/console-server';
import type { SerialLine } from '../../../../engine/console/serial-line';
import { identifyProcess } from '../../../../engine/machine/process-identity';
import { PROJECT } from '../../../support/peers';
import { type Outcome, type RunOptions, run } from '../../../support/run';
import { startSshServer, type TestSshServer } from '../../../support/ssh-server';
import { temporaryFolder } from '../../../support/temporary-folder';
import { Terminal } from '../../../support/terminal';
import { until } from '../../../support/until';

// The program itself, on pipes and on real terminals, against a machine whose SSH server is in this process.
const HYPERKIT = path.join(PROJECT, 'dist/bin/hyperkit');

let server: TestSshServer;
let line: SerialLine;
let store: string;
let folder: string;
const terminals: Terminal[] = [];

beforeAll(async () => {
  store = temporaryFolder();
  folder = path.join(store, 'machines/dev');
  mkdirSync(folder, { recursive: true });
  const home = temporaryFolder();
  server = await startSshServer({ folder: home });
  symlinkSync(server.target.keyPath, path.join(folder, 'id_rsa'));
  const { host, port } = server.target;
  const config = (name: string) => {
    const driver = { MachineName: name, StorePath: store, IPAddress: host, SSHPort: port, SSHUser: 'docker' };
    return JSON.stringify({ ConfigVersion: 3, Driver: driver, DriverName: 'hyperkit', Name: name });
  };
  writeFileSync(path.join(folder, 'config.json'), config('dev'));
  // To everybody who looks, this process is the machine's.
  const ports = [{ protocol: 'udp', address: host, hostPort: 53, guestPort: 5353, container: true }];
  const state = { state: 'running', startedAt: '', ports, resets: 0, children: [] };
  const own = await identifyProcess(process.pid);
  writeFileSync(path.join(folder, 'machine-state.json'), JSON.stringify({ ...own, ...state }));
  mkdirSync(path.join(store, 'machines/off'));
  writeFileSync(path.join(store, 'machines/off/config.json'), config('off'));
  line = await serveConsole(folder);
});
afterEach(() => {
  for (const terminal of terminals.splice(0)) terminal.close();
});
afterAll(async () => {
  await line.close();
  await server.close();
});

// A terminal of a person, wherever this test runs.
const env = (): NodeJS.ProcessEnv => ({
  ...process.env,
  MACHINE_STORAGE_PATH: store,
  TERM: 'xterm-256color',
  CI: '',
  NO_COLOR: '',
});
const hyperkit = (words: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
  run(HYPERKIT, words, { env: env(), ...options });
function onTerminal(words: readonly string[], size: { rows?: number; cols?: number } = {}): Terminal {
  const terminal = new Terminal([HYPERKIT, ...words], { env: env(), ...size });
  terminals.push(terminal);
  return terminal;
}

describe('ssh on pipes', () => {
  test('has the status and the streams of the command', async () => {
    expect(await hyperkit(['ssh', 'dev', 'echo out; echo err >&2; exit 9'])).toMatchObject({
      code: 9,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('hands on its input to the end, and every byte of both ways', async () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte))
      .join('')
      .repeat(2000);
    const { code, stdout } = await hyperkit(['ssh', 'dev', 'cat | od -An -v -tx1 | md5sum; exit 0'], { stdin: bytes });
    const here = await run('sh', ['-c', 'cat | od -An -v -tx1 | md5sum'], { stdin: bytes });
    expect([code, stdout]).toEqual([0, here.stdout]);
    expect((await hyperkit(['ssh', 'dev', 'printf "\\377\\000\\r\\n" | od -An -tx1; printf "\\r\\n"'])).stdout).toBe(
      ' ff 00 0d 0a\n\r\n',
    );
  });

  test("leaves the words of the command alone, with and without docker-machine's dashes", async () => {
    server.commands.length = 0;
    await hyperkit(['ssh', 'dev', 'echo', '-l', '--json', '-t']);
    await hyperkit(['ssh', 'dev', '--', 'echo', '-L', '1']);
    await hyperkit(['ssh', '-T', 'dev', 'true']);
    expect(server.commands).toEqual(['echo -l --json -t', 'echo -L 1', 'true']);
  });

  test('whose reader goes away ends', async () => {
    const { stdout } = await run('sh', ['-c', `"${HYPERKIT}" ssh dev yes | head -1`], { env: env() });
    expect(stdout).toBe('y\n');
  });

  test('of a machine that is off, or not there, says so', async () => {
    expect(await hyperkit(['ssh', 'off', 'true'])).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('Cannot run SSH command: Host "off" is not running'),
    });
    expect((await hyperkit(['ssh', 'nobody', 'true'])).code).toBe(4);
  });

  test('with a forward ends with its command, and without one when it is told to', async () => {
    const forward = ['-L', '0:localhost:1'];
    expect((await hyperkit(['ssh', ...forward, 'dev', 'echo over'])).stdout).toBe('over\n');
    const waiting = hyperkit(['ssh', '-N', ...forward, 'dev'], {
      started: (child) => void setTimeout(() => child.kill('SIGTERM'), 2000),
    });
    expect((await waiting).code).toBe(0);
  });

  test('that loses its machine has status 255', async () => {
    const running = hyperkit(['ssh', 'dev', 'echo begun; sleep 1000'], {
      heard: (text) => text.includes('begun') && server.cut(),
    });
    expect(await running).toMatchObject({ code: 255, stderr: expect.stringContaining('was lost') });
  });
});

describe('ssh on a terminal', () => {
  test('has one in the guest of the same size and kind, follows its size, and puts ours back', async () => {
    server.terminals.length = 0;
    const terminal = onTerminal(['ssh', 'dev', 'stty size; read answer; echo "said $answer"; exit 5'], {
      rows: 33,
      cols: 99,
    });
    await terminal.expect('33 99');
    expect(server.terminals[0]).toMatchObject({ term: 'xterm-256color', rows: 33, cols: 99 });
    await terminal.resize(44, 111);
    await until('the new size', () => server.terminals.some(({ rows, cols }) => rows === 44 && cols === 111));
    terminal.type('yes\r');
    await terminal.expect('said yes');
    await terminal.expect('finished');
    expect(await terminal.ended).toBe(5);
  });

  test('sends Ctrl-C to the guest, and leaves the terminal as it was', async () => {
    const terminal = onTerminal([
      'ssh',
      'dev',
      "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.1; done",
    ]);
    await terminal.expect('ready');
    terminal.type('\x03');
    await terminal.expect('interrupted');
    await until('its end', () => terminal.said.includes('finished'));
    expect(terminal.said).toMatch(/ icanon\b/);
    expect(terminal.said).toMatch(/ echo\b/);
    expect(await terminal.ended).toBe(7);
  });

  test('-T has none', async () => {
    server.terminals.length = 0;
    const terminal = onTerminal(['ssh', '-T', 'dev', 'test -t 0 || echo no terminal']);
    await terminal.expect('no terminal');
    expect(await terminal.ended).toBe(0);
    expect(server.terminals).toEqual([]);
  });
});

describe('console', () => {
  test('goes both ways, raw, until the detach key', async () => {
    const typed: string[] = [];
    line.read((bytes) => typed.push(Buffer.from(bytes).toString('latin1')));
    line.write(Buffer.from('dev login: '));
    const terminal = onTerminal(['console', 'dev']);
    await terminal.expect('Ctrl-] detaches');
    await terminal.expect('dev login: ');
    terminal.type('root\r\x03');
    await until('what was typed', () => typed.join('') === 'root\r\x03');
    line.write(Buffer.from('Password: '));
    await terminal.expect('Password: ');
    terminal.type('x\x1dnot sent');
    await terminal.expect('Detached.');
    await until('its end', () => terminal.said.includes('finished'));
    expect(terminal.said).toMatch(/ icanon\b/);
    expect(await terminal.ended).toBe(0);
    expect(typed.join('')).toBe('root\r\x03x');
  });

  test('on pipes sends its input and shows the answer', async () => {
    line.read((bytes) => line.write(Buffer.from(`<${Buffer.from(bytes).toString('latin1').trim()}>`)));
    const child = run(HYPERKIT, ['console', 'dev'], { env: env(), stdin: 'uptime\n' });
    expect(await child).toMatchObject({ code: 0 });
  });

  test('of a machine that is off says so', async () => {
    const { code, stderr } = await hyperkit(['console', 'off']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('Cannot attach to the console: Host "off" is not running'),
    ]);
  });
});

describe('logs and ports', () => {
  test('logs are harmless on a terminal, and themselves elsewhere', async () => {
    const text = 'boot\x1b[2J\r\n\x1b]0;owned\x07second\nlogin: ';
    writeFileSync(path.join(folder, 'console.log'), text);
    expect((await hyperkit(['logs', 'dev'])).stdout).toBe(text);
    expect((await hyperkit(['logs', '--tail', '1', 'dev'])).stdout).toBe('login: ');
    const terminal = onTerminal(['logs', 'dev']);
    await until('its end', () => terminal.said.includes('finished'));
    expect(terminal.said).toMatch(/boot\r\nsecond\r\nlogin:\r\n/);
    expect(terminal.said).not.toContain('\x1b');
    expect((await hyperkit(['logs', '--tail', 'x', 'dev'])).code).toBe(2);
  });

  test('ports are a table, or JSON', async () => {
    const { host } = server.target;
    expect((await hyperkit(['ports', 'dev'])).stdout).toBe(
      `HOST           GUEST      PUBLISHED BY\n${host}:53   5353/udp   container\n`,
    );
    expect(JSON.parse((await hyperkit(['ports', '--json', 'dev'])).stdout)).toEqual([
      { protocol: 'udp', address: host, hostPort: 53, guestPort: 5353, container: true },
    ]);
    expect((await hyperkit(['ports', 'off'])).code).toBe(1);
  });
});

test('scp by the program, both ways, and what it refuses', async () => {
  const here = temporaryFolder();
  writeFileSync(path.join(here, 'file'), 'content');
  expect((await hyperkit(['scp', path.join(here, 'file'), 'dev:copied'])).code).toBe(0);
  expect((await hyperkit(['scp', 'dev:copied', path.join(here, 'back')])).code).toBe(0);
  expect(existsSync(path.join(here, 'back'))).toBe(true);
  expect((await hyperkit(['scp', 'a', 'b'])).code).toBe(2);
  expect((await hyperkit(['scp', 'dev:none', here])).stderr).toContain('there is no dev:none');
  const terminal = onTerminal(['scp', 'dev:copied', path.join(here, 'shown')]);
  await terminal.expect('100%');
  expect(await terminal.ended).toBe(0);
});
