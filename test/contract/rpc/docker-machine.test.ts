// The real docker-machine against the program that ships, as far as no machine is needed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildPeer, describeWith, PROJECT } from '../../support/peers';

const peer = buildPeer('docker-machine');

describeWith('docker-machine', [peer.available ? undefined : peer.reason], () => {
  let folder: string;
  let store: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'docker-machine-'));
    store = path.join(folder, 'store');
    mkdirSync(path.join(folder, 'bin'));
    symlinkSync(
      path.join(PROJECT, 'dist/docker-machine-driver-hyperkit.cjs'),
      path.join(folder, 'bin/docker-machine-driver-hyperkit'),
    );
    for (const [name, driver] of [
      ['one', {}],
      ['two', {}],
      // What an older or newer driver might have left.
      ['odd', { CPU: 'many', NFSShares: null, SSHPort: -1, Unknown: { deep: [1] } }],
    ] as const) {
      const machine = path.join(store, 'machines', name);
      mkdirSync(machine, { recursive: true });
      writeFileSync(
        path.join(machine, 'config.json'),
        JSON.stringify({
          ConfigVersion: 3,
          Driver: { MachineName: name, StorePath: store, ...driver },
          DriverName: 'hyperkit',
          HostOptions: { EngineOptions: { TlsVerify: true }, SwarmOptions: {}, AuthOptions: { StorePath: machine } },
          Name: name,
        }),
      );
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function run(...args: string[]) {
    const { status, stdout, stderr } = spawnSync(peer.available ? peer.path : '', args, {
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        ...process.env,
        PATH: `${path.join(folder, 'bin')}:${process.env['PATH']}`,
        MACHINE_STORAGE_PATH: store,
        MACHINE_BUGSNAG_API_TOKEN: 'no-report',
      },
    });
    return { status, stdout, stderr };
  }

  test('learns our flags', () => {
    const { status, stdout } = run('create', '--help', '--driver', 'hyperkit');
    expect(status).toBe(0);
    expect(stdout).toMatch(/--hyperkit-cpu-count "\d+"\s+.*\[\$HYPERKIT_CPU_COUNT\]/);
    expect(stdout).toMatch(/--hyperkit-memory-size "\d+"/);
    expect(stdout).toMatch(/--hyperkit-boot2docker-url /);
  });

  test('lists stopped machines, says nothing else, and ends', () => {
    const { status, stdout, stderr } = run('ls');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(
      stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(/\s+/).slice(0, 4)),
    ).toEqual([
      ['odd', '-', 'hyperkit', 'Stopped'],
      ['one', '-', 'hyperkit', 'Stopped'],
      ['two', '-', 'hyperkit', 'Stopped'],
    ]);
  });

  test.each([
    ['status', 0, 'Stopped', ''],
    ['url', 1, '', 'Host is not running'],
    ['ip', 1, '', 'Host is not running'],
    ['ssh', 1, '', 'is not running'],
  ])('%s of a stopped machine', (command, status, stdout, stderr) => {
    const result = run(command, 'one');
    expect(result.status).toBe(status);
    expect(result.stdout.trim()).toBe(stdout);
    expect(result.stderr).toContain(stderr);
  });

  test('shows the configuration', () => {
    expect(run('inspect', '-f', '{{.Driver.MachineName}}', 'two')).toEqual({ status: 0, stdout: 'two\n', stderr: '' });
  });

  test('removes a machine', () => {
    expect(run('rm', '-y', 'two').status).toBe(0);
    expect(run('ls', '-q').stdout).toBe('odd\none\n');
  });
});
