import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { launchPlugin } from '../../driver/client/launch-plugin';
import { version } from '../../package.json';
import { ISO, missingForMachines, Store, which } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { type Outcome, type RunOptions, run } from '../support/run';
import { temporaryFolder } from '../support/temporary-folder';
import { findKvmObstacle } from '../support/vmm/board';
import { GuestCode } from '../support/vmm/guest-code';
import { multibootImage } from '../support/vmm/guest-images';

// The single-file executable, made as it is shipped, on a host where PATH has no Node and HOME nothing at all.
jest.setTimeout(300_000);
const PROGRAMS = ['docker-machine-driver-hyperkit', 'hyperkit', 'vpnkit'];
const folder = temporaryFolder();
const bin = path.join(folder, 'bin');
const store = new Store(path.join(bin, 'hyperkit'));
const env = { PATH: bin, HOME: path.join(folder, 'home'), MACHINE_STORAGE_PATH: store.path };
const call = (program: string, words: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
  run(path.join(bin, program), words, { ...options, env: { ...env, ...options.env } });

beforeAll(() => {
  const output = path.join(folder, 'hyperkit-2');
  execFileSync(process.execPath, [path.join(PROJECT, 'scripts/executable.mjs'), '--output', output], { stdio: 'pipe' });
  mkdirSync(bin);
  for (const name of [...PROGRAMS, 'renamed']) symlinkSync(output, path.join(bin, name));
});
afterAll(() => store.dispose());

test('is each program by the name it is called by, and by its first word', async () => {
  const said = expect.stringContaining(`hyperkit version ${version}`);
  expect(await call('hyperkit', ['version'])).toMatchObject({ code: 0, stdout: said, stderr: '' });
  expect(await call('renamed', ['version'])).toMatchObject({ code: 0, stdout: said, stderr: '' });
  const network = expect.stringContaining('vpnkit --ethernet SOCKET');
  expect(await call('vpnkit', ['--help'])).toMatchObject({ code: 0, stdout: network });
  expect(await call('renamed', ['vpnkit', '--help'])).toMatchObject({ code: 0, stdout: network });
  const plugin = expect.stringContaining(`version: v${version}`);
  expect(await call('docker-machine-driver-hyperkit', ['version'])).toMatchObject({ code: 0, stdout: plugin });
  expect(await call('hyperkit', ['nonsense'])).toMatchObject({ code: 2, stdout: '' });
});

test('unpacks itself once, also when many begin at the same time', async () => {
  const home = path.join(folder, 'second-home');
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => call('hyperkit', ['ls'], { env: { HOME: home } })));
  for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 0, stderr: '' });
  expect(readdirSync(path.join(home, '.cache/docker-machine-driver-hyperkit/programs'))).toHaveLength(1);
});

test('is a plugin that answers its client', async () => {
  const plugin = await launchPlugin(path.join(bin, 'docker-machine-driver-hyperkit'), { env });
  expect(await plugin.driver.driverName()).toBe('hyperkit');
  expect(await plugin.close()).toEqual({ code: 0, signal: null });
});

test('measures KVM in a process of its own', async () => {
  const { stdout, stderr } = await call('hyperkit', ['doctor', '--json'], { env: { PATH: `${bin}:/usr/bin:/bin` } });
  expect(stderr).toBe('');
  expect(stdout).toContain('"KVM"');
  expect(stdout).not.toMatch(/is missing|cannot start/);
});

describeWith('the native engine', [findKvmObstacle()], () => {
  test('runs a guest, whose vCPU is a thread of the same file', async () => {
    const guest = path.join(folder, 'guest');
    writeFileSync(guest, multibootImage(new GuestCode(32).print('x').powerOff().build()));
    const board = ['-u', '-m', '64M', '-s', '0:0,hostbridge', '-s', '31,lpc', '-l', 'com1,stdio'];
    const words = [...board, '-f', `multiboot,${guest}`];
    expect(await call('hyperkit', words, { env: { HYPERKIT_ENGINE: 'native' } })).toMatchObject({ stdout: 'x' });
  });
});

const peer = buildPeer('docker-machine');
describeWith('the real docker-machine', [peer.available ? undefined : peer.reason], () => {
  test('learns the options from it', async () => {
    const client = peer.available ? peer.path : '';
    const { stdout, output } = await run(client, ['create', '--driver', 'hyperkit', '--help'], { env });
    if (!stdout.includes('--hyperkit-memory-size')) throw new Error(output);
  });
});

describeWith('its machines', missingForMachines(), () => {
  test('run in processes of the same file; a create that is interrupted leaves none', async () => {
    // QEMU alone, from wherever it is.
    symlinkSync(
      which(process.env['HYPERKIT_QEMU'] ?? 'qemu-system-x86_64') ?? '',
      path.join(bin, 'qemu-system-x86_64'),
    );
    let client = 0;
    let said = '';
    let programs: readonly string[] = [];
    const outcome = await call(
      'hyperkit',
      ['create', '--engine', 'qemu', '--boot2docker-url', ISO, '--warm', 'never', 'dev'],
      {
        started: ({ pid = 0 }) => {
          client = pid;
        },
        heard: (text) => {
          said += text;
          if (programs.length > 0 || !said.includes('Waiting for SSH on')) return;
          const others = store.processes().filter((line) => Number.parseInt(line, 10) !== client);
          programs = others.map((line) => readlinkSync(`/proc/${Number.parseInt(line, 10)}/exe`));
          process.kill(client, 'SIGINT');
        },
      },
    );
    expect(programs).toContain(path.join(folder, 'hyperkit-2'));
    expect(outcome.stderr).toContain('interrupted by SIGINT');
    expect(outcome.code).toBe(130);
    expect(store.machines()).toEqual([]);
    await store.becomesQuiet();
  });
});
