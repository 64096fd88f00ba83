// The program that ships: dist/docker-machine-driver-hyperkit.cjs with the real driver.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LaunchedPlugin, launchPlugin } from '../../../../driver/client';
import { MachineState } from '../../../../driver/contract/machine-driver';
import { version } from '../../../../package.json';

const program = path.resolve(__dirname, '../../../../dist/docker-machine-driver-hyperkit.cjs');

/** The environment of a shell, without what a client adds. */
const shellEnv = (added: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
  const { MACHINE_PLUGIN_TOKEN: _, ...env } = process.env;
  return { ...env, ...added };
};
const run = (args: readonly string[], added?: NodeJS.ProcessEnv) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [program, ...args], {
    env: shellEnv(added),
    encoding: 'utf8',
    timeout: 10_000,
  });
  return { stdout, stderr, status };
};

describe('by hand', () => {
  test('version, as minikube asks it, with nothing else on either stream', () => {
    const { stdout, ...rest } = run(['version']);
    expect(stdout).toMatch(/^version: v[\d.]+\ncommit: ([0-9a-f]{40}|unknown)\n$/);
    expect(stdout).toContain(`version: v${version}\n`);
    expect(rest).toEqual({ stderr: '', status: 0 });
  });

  test.each([
    [[], {}],
    [['nonsense'], {}],
    [['version'], { MACHINE_PLUGIN_TOKEN: '' }],
    [[], { MACHINE_PLUGIN_TOKEN: '4' }],
  ])('%j with %j', (args, env) => {
    const { stdout, stderr, status } = run(args, env);
    if (args[0] === 'version') {
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    } else {
      expect({ stdout, status }).toEqual({ stdout: '', status: 1 });
      expect(stderr.split('\n')).toHaveLength(5);
    }
  });
});

describe('the address line', () => {
  test('is printed by a program of a few KiB', () => {
    expect(statSync(program).size).toBeLessThan(6 * 1024);
  });

  test('is printed before anything else of ours is loaded', async () => {
    // Writes down what is required, and whether the line was out by then.
    const folder = mkdtempSync(path.join(tmpdir(), 'spy-'));
    const spy = path.join(folder, 'spy.cjs');
    writeFileSync(
      spy,
      `const Module = require('node:module'), fs = require('node:fs');
      const { writeSync } = fs, load = Module._load;
      let told = false;
      fs.writeSync = (fd, text) => { told ||= fd === 1; return writeSync(fd, text); };
      Module._load = (request, ...rest) => {
        if (request.startsWith('./')) writeSync(2, (told ? 'after ' : 'before ') + request + '\\n');
        return load(request, ...rest);
      };`,
    );
    const loads: string[] = [];
    const chunk = (line: string): string =>
      readFileSync(path.join(path.dirname(program), 'chunks', path.basename(line)), 'utf8');
    const plugin = await launchPlugin(program, {
      env: { NODE_OPTIONS: `--require ${spy}` },
      onLine: (line) => loads.push(line),
    });
    await plugin.driver.driverName();
    await plugin.close();
    rmSync(folder, { recursive: true });
    expect(loads.filter((line) => line.startsWith('before '))).toEqual([]);
    expect(loads).toContainEqual(expect.stringMatching(/^after \.\/chunks\/plugin-process-/));
    // Nor is gRPC afterwards, which is a program's of its own.
    expect(loads.filter((line) => chunk(line).includes('node_modules/@grpc'))).toEqual([]);
  });

  test('comes whatever the arguments are, as rancher-machine passes its own', async () => {
    const plugin = await launchPlugin(program, { args: ['rancher-machine', 'create', '-d', 'hyperkit', '--version'] });
    expect(plugin.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
  });
});

describe('serving', () => {
  let folder: string;
  let plugin: LaunchedPlugin;
  const lines: string[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'program-'));
    plugin = await launchPlugin(program, { onLine: (line) => lines.push(line) });
    await plugin.driver.setConfigRaw(Buffer.from(JSON.stringify({ MachineName: 'dev', StorePath: folder })));
  });
  afterAll(async () => {
    await plugin.kill();
    rmSync(folder, { recursive: true });
  });

  test('the calls of `ls` on a stopped machine', async () => {
    const { driver } = plugin;
    expect(await driver.getMachineName()).toBe('dev');
    expect(await driver.driverName()).toBe('hyperkit');
    await expect(driver.getURL()).rejects.toThrow(new Error('Host is not running'));
    expect(await driver.getState()).toBe(MachineState.Stopped);
    expect((await driver.getCreateFlags()).every((flag) => flag.name.startsWith('hyperkit-'))).toBe(true);
    expect(lines).toEqual([]);
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux('takes less than 70 MB', () => {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${plugin.pid}/status`, 'utf8')) ?? [];
    expect(Number(kilobytes)).toBeLessThan(70 * 1024);
  });

  test('ends at once when told to', async () => {
    const begin = performance.now();
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
    expect(performance.now() - begin).toBeLessThan(1_000);
  });
});
