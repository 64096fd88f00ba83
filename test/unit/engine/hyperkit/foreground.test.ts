import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DescriptorStream } from '../../../../engine/console/descriptor-stream';
import { openPty, pollDescriptor } from '../../../../native/pty';

/** The program that ships, in front of a QEMU that only speaks QMP. */
const PROGRAM = path.join(__dirname, '../../../../dist/hyperkit.cjs');
const FAKE_QEMU = path.join(__dirname, '../machine/fixtures/fake-qemu.cjs');

jest.setTimeout(60_000);

let folder: string;
let pidFile: string;
let starts: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-foreground-'));
  pidFile = path.join(folder, 'hyperkit.pid');
  starts = path.join(folder, 'starts');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

interface Started {
  readonly child: ChildProcess;
  /** Resolves when that text has come. */
  heard(text: string): Promise<void>;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly output: string;
  }>;
}

function start(words: readonly string[], env: NodeJS.ProcessEnv = {}, stdio: StdioOptions = 'pipe'): Started {
  const machine = ['-A', '-F', pidFile, '-s', '31,lpc', '-l', `com1,stdio,log=${folder}/console-ring`];
  const child = spawn(process.execPath, [PROGRAM, ...machine, ...words, '-f', `kexec,${__filename}`], {
    env: { ...process.env, HYPERKIT_QEMU: FAKE_QEMU, FAKE_QEMU_STARTS: starts, ...env },
    stdio,
  });
  children.push(child);
  let output = '';
  let listener = (): void => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1');
      listener();
    });
  }
  return {
    child,
    heard: (text) =>
      new Promise((resolve, reject) => {
        listener = () => {
          if (output.includes(text)) resolve();
        };
        child.once('close', () => reject(new Error(`it ended without ${text}: ${output}`)));
        listener();
      }),
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, output }))),
  };
}

function qemuLives(): boolean {
  const pid = Number(readFileSync(starts, 'latin1').trim());
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('the guest’s output is ours and in the ring, SIGTERM is its power button, and the end is 0', async () => {
  const hyperkit = start([]);
  await hyperkit.heard('console of fake');
  expect(readFileSync(pidFile, 'latin1')).toBe(String(hyperkit.child.pid));
  expect(readFileSync(path.join(folder, 'console-ring'), 'latin1')).toMatch(/^console of fake/);
  hyperkit.child.kill('SIGTERM');
  expect(await hyperkit.ended).toMatchObject({ code: 0, signal: null });
  expect(existsSync(pidFile)).toBe(false);
  expect(qemuLives()).toBe(false);
});

test.each([
  ['power-off', 0],
  ['reset', 2],
])('%s ends it with status %d', async (mode, status) => {
  expect(await start([], { FAKE_QEMU: mode }).ended).toMatchObject({ code: status });
  expect(existsSync(pidFile)).toBe(false);
});

test.each([
  ['SIGTERM', { FAKE_QEMU_BUTTON: 'off' }],
  ['SIGINT', {}],
  ['SIGHUP', {}],
] as const)('%s ends everything when the guest can’t be asked (%j)', async (signal, env) => {
  const hyperkit = start([], env);
  await hyperkit.heard('console of fake');
  hyperkit.child.kill(signal);
  expect(await hyperkit.ended).toMatchObject({ code: null, signal });
  expect(existsSync(pidFile)).toBe(false);
  expect(qemuLives()).toBe(false);
});

test('SIGUSR1 and SIGUSR2 pause and resume, in HyperKit’s words', async () => {
  const hyperkit = start([]);
  await hyperkit.heard('console of fake');
  hyperkit.child.kill('SIGUSR1');
  await hyperkit.heard('received sigusr1, pausing\n');
  hyperkit.child.kill('SIGUSR2');
  await hyperkit.heard('received sigusr2, unpausing\n');
  hyperkit.child.kill('SIGINT');
  await hyperkit.ended;
});

test('a QEMU that dies is told with its last words, and is status 1', async () => {
  const { code, output } = await start([], { FAKE_QEMU: 'exit' }).ended;
  expect(code).toBe(1);
  expect(output).toMatch(/^hyperkit: cannot start .*\n {2}qemu-system-x86_64: fake reason\n$/s);
  expect(existsSync(pidFile)).toBe(false);
});

test('a second one on the same pid file is refused', async () => {
  writeFileSync(pidFile, String(process.pid));
  const { code, output } = await start([]).ended;
  expect(code).toBe(1);
  expect(output).toMatch(/Failed to set up pidfile .* is running/);
  expect(readFileSync(pidFile, 'latin1')).toBe(String(process.pid));
});

test('what QEMU can’t do is refused before anything runs', async () => {
  const { code, output } = await start(['-s', '5,virtio-9p,path=/x'], { HYPERKIT_ENGINE: 'qemu' }).ended;
  expect(code).toBe(1);
  expect(output).toMatch(/cannot offer virtio-9p \(slot 5:0\) under QEMU/);
  expect(existsSync(starts)).toBe(false);
});

test('a terminal is raw while the machine runs, and as it was afterwards', async () => {
  const { master, slave } = openPty();
  const person = new DescriptorStream(master, pollDescriptor);
  const settings = (...words: string[]): string =>
    spawnSync('stty', words, { stdio: [slave, 'pipe', 'inherit'], encoding: 'latin1' }).stdout;
  try {
    settings('sane');
    const before = settings('-g');
    const hyperkit = start([], {}, [slave, slave, slave]);
    await new Promise<void>((resolve) => {
      let seen = '';
      person.on('data', (chunk: Buffer) => {
        seen += chunk.toString('latin1');
        if (seen.includes('console of fake')) resolve();
      });
    });
    expect(settings('-a')).toMatch(/-isig -icanon/);
    hyperkit.child.kill('SIGINT');
    await hyperkit.ended;
    expect(settings('-g')).toBe(before);
  } finally {
    person.destroy();
    closeSync(slave);
  }
});

test('a reader that stands still stops nothing, and the ring has it all', async () => {
  const stopped = openPty();
  try {
    const hyperkit = start([], { FAKE_QEMU: 'chatty' }, ['ignore', stopped.slave, 'ignore']);
    expect(await hyperkit.ended).toMatchObject({ code: 0 });
    expect(readFileSync(path.join(folder, 'console-ring'), 'latin1')).toContain('end');
  } finally {
    closeSync(stopped.master);
    closeSync(stopped.slave);
  }
});

test('neither does a pipe that is not read', async () => {
  const hyperkit = start([], { FAKE_QEMU: 'chatty' }, ['ignore', 'pipe', 'ignore']);
  hyperkit.child.stdout?.removeAllListeners('data').pause();
  const code = await new Promise((resolve) => hyperkit.child.once('exit', resolve));
  expect(code).toBe(0);
});
