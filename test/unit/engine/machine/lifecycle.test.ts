import { readFileSync, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { tail } from '../../../../engine/console/tail';
import { cleanState, killMachine, pressPowerButton, waitForExit } from '../../../../engine/machine/control';
import { launchMachine } from '../../../../engine/machine/launch';
import { describeExit, readMachineStatus } from '../../../../engine/machine/state';
import { isAlive, MACHINE_PROGRAM, MachineBench, openFiles, until } from './fixtures/machine-bench';

jest.setTimeout(60_000);

let bench: MachineBench;
const environment = { ...process.env };

afterEach(async () => {
  await bench.dispose();
  process.env = { ...environment };
});

async function expectNothingLeft(): Promise<void> {
  expect(bench.livingFakes()).toEqual([]);
  expect(bench.livingProcesses()).toEqual([]);
  expect(await bench.isPortFree()).toBe(true);
  expect(bench.files().filter((name) => name.endsWith('.draft') || name === 'hyperkit.pid')).toEqual([]);
}

describe('a machine that runs', () => {
  test('is ready, tells what it is, and powers off by its button', async () => {
    bench = new MachineBench();
    const machine = await bench.launch();
    expect(machine).toMatchObject({ state: 'running', backend: 'qemu/tcg', resets: 0 });
    const { bindAddress: address } = bench.spec.network;
    const docker = { protocol: 'tcp', address, hostPort: 2376, guestPort: 2376, container: false };
    expect(machine.ports).toEqual([docker]);
    expect(await readMachineStatus(bench.stateDir)).toEqual(machine);
    expect(readFileSync(path.join(bench.stateDir, 'hyperkit.pid'), 'utf8')).toBe(String(machine.pid));
    await until(async () => (await tail(bench.stateDir, 1)).length === 1);
    expect(await tail(bench.stateDir, 1)).toEqual([`console of fake ${bench.fakes()[0]}`]);
    expect(statSync(path.join(bench.stateDir, 'console-ring')).size).toBe(65_536);
    expect(await waitForExit(bench.stateDir, 50)).toBe(false);
    await pressPowerButton(bench.stateDir);
    expect(await waitForExit(bench.stateDir, 5000)).toBe(true);
    const status = await readMachineStatus(bench.stateDir);
    expect(status).toMatchObject({ state: 'stopped', lastExit: { kind: 'power-off' } });
    expect(describeExit(status.state === 'stopped' ? status.lastExit : undefined)).toContain('powered itself off');
    await expectNothingLeft();
    await pressPowerButton(bench.stateDir);
    await killMachine(bench.stateDir);
    await cleanState(bench.stateDir);
  });

  test('has a session, a title and files of its own', async () => {
    bench = new MachineBench();
    const { pid } = await bench.launch();
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    expect(stat[3]).toBe(String(pid)); // session
    expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toMatch(/^hyperkit: bench/);
    const log = path.join(bench.stateDir, 'hyperkit.log');
    const files = openFiles(pid).filter(
      (file) => file.startsWith('/') && !file.startsWith('/dev/') && !file.endsWith('.cjs'),
    );
    const own = [log, path.join(bench.stateDir, 'console.log'), path.join(bench.stateDir, 'console-ring')];
    expect([...new Set(files)].sort()).toEqual(own.sort());
    for (const name of ['console-ring', 'console.log', 'hyperkit.log']) {
      expect(statSync(path.join(bench.stateDir, name)).mode & 0o777).toBe(0o600);
    }
    for (const name of ['hyperkit.json', 'hyperkit.pid', 'machine-state.json', 'machine-claim.1']) {
      expect(statSync(path.join(bench.stateDir, name)).mode & 0o777).toBe(0o644);
    }
  });

  test('writes hyperkit.json with HyperKit’s keys and our specification', async () => {
    bench = new MachineBench();
    const { pid } = await bench.launch();
    const json = JSON.parse(readFileSync(path.join(bench.stateDir, 'hyperkit.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(json).toMatchObject({
      state_dir: bench.stateDir,
      uuid: bench.spec.uuid,
      pid,
      cpus: 1,
      memory: 64,
      disks: [{ path: path.join(bench.folder, 'disk'), size: 0, format: 'raw', trim: true }],
      machine: bench.spec,
    });
  });

  test('is paused by SIGUSR1, goes on by SIGUSR2, and ignores a closed terminal', async () => {
    bench = new MachineBench();
    const { pid } = await bench.launch();
    const state = async (): Promise<string> => (await readMachineStatus(bench.stateDir)).state;
    process.kill(pid, 'SIGUSR1');
    await until(async () => (await state()) === 'paused');
    process.kill(pid, 'SIGHUP');
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGUSR2');
    await until(async () => (await state()) === 'running');
  });

  test('cannot be launched or cleaned again', async () => {
    bench = new MachineBench();
    const { pid } = await bench.launch();
    await expect(bench.launch()).rejects.toMatchObject({ code: 'HK_MACHINE_RUNNING' });
    await expect(cleanState(bench.stateDir)).rejects.toMatchObject({ code: 'HK_MACHINE_RUNNING' });
    expect((await readMachineStatus(bench.stateDir)) as unknown).toMatchObject({ state: 'running', pid });
  });

  test('starts again in the same process after a reset', async () => {
    bench = new MachineBench({ environment: { FAKE_QEMU: 'reset-once' } });
    const { pid } = await bench.launch();
    await until(async () => {
      const status = await readMachineStatus(bench.stateDir);
      return (
        status.state === 'running' && status.resets === 1 && status.pid === pid && bench.livingFakes().length === 1
      );
    });
    expect(bench.fakes()).toHaveLength(2);
  });

  test('gives up when the guest resets again and again', async () => {
    bench = new MachineBench({ environment: { FAKE_QEMU: 'reset' } });
    await bench.launch();
    expect(await waitForExit(bench.stateDir, 20_000)).toBe(true);
    const status = await readMachineStatus(bench.stateDir);
    expect(status).toMatchObject({ state: 'stopped', lastExit: { kind: 'failed' } });
    expect(describeExit(status.state === 'stopped' ? status.lastExit : undefined)).toContain('reset 5 times');
    expect(bench.fakes()).toHaveLength(5);
    await expectNothingLeft();
  });

  test('works in a folder with a very long name', async () => {
    bench = new MachineBench({ stateDirName: `${'long,name '.repeat(20)}/${'x'.repeat(200)}` });
    await bench.launch();
    await killMachine(bench.stateDir);
    await expectNothingLeft();
  });
});

describe('a launch that fails', () => {
  const cases: ReadonlyArray<readonly [string, string, RegExp]> = [
    [
      'exit',
      'HK_HYPERVISOR_FAILED',
      /^cannot start machine "bench": QEMU ended with status 1\n {2}qemu-system-x86_64: fake reason$/,
    ],
    ['in-use', 'HK_ADDRESS_IN_USE', /^cannot listen on 127\.0\.0\.1:2376: it is in use/],
    ['no-memory', 'HK_HYPERVISOR_FAILED', /cannot give it 64 MiB of memory/],
    ['garbage', 'HK_HYPERVISOR_FAILED', /not QMP/],
    ['flood', 'HK_HYPERVISOR_FAILED', /not QMP: a line of more than/],
    ['refuse', 'HK_HYPERVISOR_FAILED', /not today/],
  ];
  test.each(cases)('%s: %s, and nothing is left', async (mode, code, message) => {
    bench = new MachineBench({ environment: { FAKE_QEMU: mode } });
    const error = await bench.launch().catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(message);
    expect(await readMachineStatus(bench.stateDir)).toMatchObject({ state: 'stopped', lastExit: { kind: 'failed' } });
    await expectNothingLeft();
  });

  test('names the program that holds its port', async () => {
    bench = new MachineBench();
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(2376, bench.spec.network.bindAddress, () => resolve()));
    const error = await bench.launch().catch((thrown: unknown) => thrown as Error);
    await new Promise((resolve) => server.close(resolve));
    expect(error).toMatchObject({ code: 'HK_ADDRESS_IN_USE' });
    expect((error as Error).message).toContain(`(process ${process.pid}) uses it`);
    await expectNothingLeft();
  });

  test('an address that this computer does not have', async () => {
    bench = new MachineBench();
    const spec = { ...bench.spec, network: { ...bench.spec.network, bindAddress: '192.0.2.77' } };
    await expect(launchMachine(spec, { program: MACHINE_PROGRAM })).rejects.toThrow(
      /192\.0\.2\.77:2376: this computer has no such address/,
    );
  });

  test('an old QEMU, no QEMU, and something else', async () => {
    bench = new MachineBench({ environment: { FAKE_QEMU_VERSION: 'QEMU emulator version 4.2.1' } });
    await expect(bench.launch()).rejects.toMatchObject({
      code: 'HK_NO_HYPERVISOR',
      message: expect.stringContaining('4.2.1') as string,
    });
    bench.setEnvironment({ FAKE_QEMU_VERSION: 'hello' });
    await expect(bench.launch()).rejects.toMatchObject({ message: expect.stringContaining('is not QEMU') as string });
    bench.setEnvironment({ HYPERKIT_QEMU: path.join(bench.folder, 'nothing') });
    await expect(bench.launch()).rejects.toMatchObject({ message: expect.stringContaining('HYPERKIT_QEMU') as string });
    await expectNothingLeft();
  });

  test('a deadline', async () => {
    bench = new MachineBench({ environment: { FAKE_QEMU: 'hang' } });
    await expect(bench.launch({ deadlineMs: 700 })).rejects.toMatchObject({ code: 'HK_MACHINE_TIMEOUT' });
    await expectNothingLeft();
  });

  test.each([0, 20, 60, 120, 180, 250, 400])('given up after %i ms', async (delayMs) => {
    bench = new MachineBench({ environment: { FAKE_QEMU: 'hang' } });
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('Ctrl-C')), delayMs);
    const error = await bench.launch({ signal: abort.signal }).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'HK_MACHINE_FAILED', cause: { message: 'Ctrl-C' } });
    await expectNothingLeft();
  });

  test('a machine program that is not there, or ends without a word', async () => {
    bench = new MachineBench();
    const nowhere = launchMachine(bench.spec, { program: path.join(bench.folder, 'nothing.cjs') });
    await expect(nowhere).rejects.toMatchObject({
      code: 'HK_MACHINE_FAILED',
      message: expect.stringContaining('nothing.cjs') as string,
    });
    const silent = launchMachine(bench.spec, { program: '/dev/null' });
    await expect(silent).rejects.toMatchObject({ code: 'HK_MACHINE_FAILED' });
  });

  test('a folder that cannot be written', async () => {
    bench = new MachineBench();
    for (const stateDir of [
      '/proc/machine',
      path.join(bench.folder, 'disk/machine'),
      path.join(bench.folder, 'no/machine'),
    ]) {
      const launch = launchMachine({ ...bench.spec, stateDir }, { program: MACHINE_PROGRAM });
      await expect(launch).rejects.toMatchObject({ code: 'HK_STATE_UNREADABLE' });
    }
  });
});

describe('killed processes', () => {
  test('QEMU ends with its machine process, and the next command knows', async () => {
    bench = new MachineBench();
    const { pid } = await bench.launch();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid) && bench.livingFakes().length === 0);
    const status = await readMachineStatus(bench.stateDir);
    expect(status).toMatchObject({ state: 'stopped', lastExit: { kind: 'failed' } });
    await killMachine(bench.stateDir);
    await expectNothingLeft();
    const again = await bench.launch();
    expect(again.state).toBe('running');
  });

  test('without setpriv QEMU is found and ended by the next command', async () => {
    bench = new MachineBench();
    bench.hideSetpriv();
    const { pid } = await bench.launch();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bench.livingFakes()).toHaveLength(1);
    expect((await readMachineStatus(bench.stateDir)).state).toBe('stopped');
    await expect(cleanState(bench.stateDir)).rejects.toMatchObject({ code: 'HK_MACHINE_RUNNING' });
    await killMachine(bench.stateDir);
    await expectNothingLeft();
  });

  test('an orphan that nobody wrote down is found, too', async () => {
    bench = new MachineBench();
    bench.hideSetpriv();
    const { pid } = await bench.launch();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    unlinkSync(path.join(bench.stateDir, 'machine-state.json'));
    await killMachine(bench.stateDir);
    await expectNothingLeft();
  });

  test('a new launch ends the orphan of the last', async () => {
    bench = new MachineBench();
    bench.hideSetpriv();
    const { pid } = await bench.launch();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
    await bench.launch();
    expect(bench.livingFakes()).toEqual([bench.fakes()[1]]);
  });

  test('QEMU killed from outside is a failure', async () => {
    bench = new MachineBench();
    await bench.launch();
    process.kill(bench.fakes()[0] ?? 0, 'SIGKILL');
    expect(await waitForExit(bench.stateDir, 5000)).toBe(true);
    expect(await readMachineStatus(bench.stateDir)).toMatchObject({
      lastExit: { kind: 'failed', detail: expect.stringContaining('SIGKILL') as string },
    });
    await expectNothingLeft();
  });

  test('kill ends what does not hear the button', async () => {
    bench = new MachineBench({ environment: { FAKE_QEMU: 'ignore-button' } });
    await bench.launch();
    await pressPowerButton(bench.stateDir);
    expect(await waitForExit(bench.stateDir, 200)).toBe(false);
    await killMachine(bench.stateDir);
    expect(await readMachineStatus(bench.stateDir)).toMatchObject({ state: 'stopped', lastExit: { kind: 'killed' } });
    await expectNothingLeft();
  });
});

describe('ten launches at once', () => {
  test.each(['a fresh folder', 'a folder with a stale claim'])('exactly one wins in %s', async (folder) => {
    bench = new MachineBench();
    if (folder !== 'a fresh folder') {
      const { pid } = await bench.launch();
      process.kill(pid, 'SIGKILL');
      await until(() => !isAlive(pid) && bench.livingFakes().length === 0);
    }
    const before = bench.fakes().length;
    const results = await Promise.allSettled(Array.from({ length: 10 }, async () => await bench.launch()));
    const won = results.filter(({ status }) => status === 'fulfilled');
    const lost = results.flatMap((result) =>
      result.status === 'rejected' ? [(result.reason as { code: string }).code] : [],
    );
    expect(lost).toEqual(Array.from({ length: 9 }, () => 'HK_MACHINE_RUNNING'));
    expect(won).toHaveLength(1);
    expect(bench.fakes()).toHaveLength(before + 1);
    expect(bench.livingFakes()).toHaveLength(1);
    const status = await readMachineStatus(bench.stateDir);
    const pidFile = readFileSync(path.join(bench.stateDir, 'hyperkit.pid'), 'utf8');
    expect(status.state === 'running' && String(status.pid)).toBe(pidFile);
    await killMachine(bench.stateDir);
    await expectNothingLeft();
  });
});
