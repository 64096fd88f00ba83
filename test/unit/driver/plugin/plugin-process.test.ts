// The plugin as a process, around a driver without machines.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LaunchedPlugin, type LaunchOptions, launchPlugin } from '../../../../driver/client';
import { MachineState } from '../../../../driver/contract/machine-driver';
import { EMPTY, NOTHING, RpcClient } from '../../../../driver/rpc';
import { type BuiltPlugin, buildFakePlugin } from './fixtures/build-fake-plugin';
import type { FakePlan } from './fixtures/fake-driver';

let built: BuiltPlugin;
let folder: string;
let plugins: LaunchedPlugin[] = [];
beforeAll(() => {
  built = buildFakePlugin();
});
afterAll(() => built.remove());
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'plugin-'));
});
afterEach(async () => {
  await Promise.all(plugins.map((plugin) => plugin.kill()));
  plugins = [];
  rmSync(folder, { recursive: true });
});

interface Started {
  readonly plugin: LaunchedPlugin;
  readonly lines: { readonly stdout: string[]; readonly stderr: string[] };
  readonly journal: () => string[];
}

async function start(plan: FakePlan = {}, options: LaunchOptions = {}): Promise<Started> {
  const lines = { stdout: [] as string[], stderr: [] as string[] };
  const plugin = await launchPlugin(built.program, { onLine: (line, stream) => lines[stream].push(line), ...options });
  plugins.push(plugin);
  const journal = path.join(folder, 'journal');
  await plugin.driver.setConfigRaw(Buffer.from(JSON.stringify({ MachineName: 'dev', journal, ...plan })));
  return {
    plugin,
    lines,
    journal: () => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []),
  };
}

const until = async (condition: () => boolean) => {
  while (!condition()) await sleep(5);
};

describe('the contract, seen by a client', () => {
  test('every method arrives', async () => {
    const { plugin } = await start();
    const { driver } = plugin;
    expect(plugin.address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await driver.driverName()).toBe('hyperkit');
    expect(await driver.getMachineName()).toBe('dev');
    expect(await driver.getIP()).toBe('127.64.0.1');
    expect(await driver.getSSHHostname()).toBe('127.64.0.1');
    expect(await driver.getSSHPort()).toBe(2222);
    expect(await driver.getSSHUsername()).toBe('docker');
    expect(await driver.getState()).toBe(MachineState.Stopped);
    expect(JSON.parse(Buffer.from(await driver.getConfigRaw()).toString())).toMatchObject({ MachineName: 'dev' });
    await expect(driver.getURL()).rejects.toThrow(new Error('Host is not running'));
    await driver.preCreateCheck();
    await driver.create();
    await driver.start();
    await driver.stop();
    await driver.restart();
    await driver.kill();
    await driver.remove();
    await driver.heartbeat();
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
  });

  test('flags go both ways', async () => {
    const { driver } = (await start()).plugin;
    expect(await driver.getCreateFlags()).toEqual([
      { kind: 'string', name: 'hyperkit-s', usage: 'a string', envVar: 'HYPERKIT_S', value: 'dflt' },
      { kind: 'int', name: 'hyperkit-i', usage: 'an int', envVar: 'HYPERKIT_I', value: 1024 },
      { kind: 'bool', name: 'hyperkit-b', usage: 'a bool', envVar: '' },
      { kind: 'slice', name: 'hyperkit-l', usage: 'a list', envVar: 'HYPERKIT_L', value: ['a', 'b'] },
      { kind: 'slice', name: 'hyperkit-m', usage: 'another list', envVar: '', value: [] },
    ]);
    await driver.setConfigFromFlags(
      new Map<string, string | number | boolean | readonly string[]>([
        ['b', true],
        ['i', -5],
        ['l', ['x', 'y']],
        ['none', []],
        ['s', ''],
      ]),
    );
    expect(await driver.getSSHKeyPath()).toBe('[["b",true],["i",-5],["l",["x","y"]],["none",[]],["s",""]]');
  });

  test('a configuration that cannot be taken is not an error, and is not shown', async () => {
    const { plugin, lines } = await start();
    await plugin.driver.setConfigRaw(Buffer.from('{"Secret": oops'));
    await until(() => lines.stderr.length > 0);
    expect(lines.stderr).toEqual(["cannot take the machine's configuration: SyntaxError"]);
    expect(await plugin.driver.getMachineName()).toBe('dev');
  });

  test('a large configuration passes', async () => {
    const { driver } = (await start({ MachineName: 'x'.repeat(300_000) })).plugin;
    expect(await driver.getMachineName()).toHaveLength(300_000);
  });

  test.each([
    ['driver', 'cannot create the disk: it is full'],
    ['panic', 'Panic in the driver: x is not a function'],
    ['string', 'Panic in the driver: words'],
  ] as const)('Create fails by %s', async (createFails, text) => {
    const { driver } = (await start({ createFails })).plugin;
    await expect(driver.create()).rejects.toThrow(new Error(text));
    expect(await driver.getMachineName()).toBe('dev');
  });

  test('other calls are answered while Create is under way', async () => {
    const createUntil = path.join(folder, 'created');
    const { driver } = (await start({ createUntil })).plugin;
    let created = false;
    const creating = driver.create().then(() => {
      created = true;
    });
    for (let round = 0; round < 10; round++) await driver.heartbeat();
    expect(created).toBe(false);
    writeFileSync(createUntil, '');
    await creating;
  });
});

describe('output', () => {
  test('levels go to their streams, stray words to the debug one', async () => {
    const { plugin, lines } = await start();
    await plugin.driver.preCreateCheck();
    await plugin.driver.create();
    await plugin.close();
    expect(lines).toEqual({ stdout: ['creating'], stderr: ['stray words', 'creating, in detail'] });
  });

  test('a reader that is gone stops nothing', async () => {
    const child = spawn(built.program, {
      env: { ...process.env, MACHINE_PLUGIN_TOKEN: '42' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [address] = (await once(child.stdout, 'data')) as [Buffer];
    child.stdout.destroy();
    child.stderr.destroy();
    const { DriverClient } = await import('../../../../driver/client');
    const driver = await DriverClient.connect(address.toString().trim());
    for (let round = 0; round < 5; round++) {
      await driver.start();
      await driver.create();
      await driver.preCreateCheck();
    }
    const exited = once(child, 'exit');
    await driver.close();
    expect(await exited).toEqual([0, null]);
  });
});

describe('the end', () => {
  test('Close is answered before the process goes, and it goes at once', async () => {
    for (let round = 0; round < 5; round++) {
      const { plugin } = await start();
      const begin = performance.now();
      expect(await plugin.close()).toEqual({ code: 0, signal: null });
      expect(performance.now() - begin).toBeLessThan(1_000);
    }
  });

  test('Close ends a Create that is under way', async () => {
    const { plugin, journal } = await start({ createUntil: path.join(folder, 'never') });
    const creating = plugin.driver.create().catch((error: Error) => error.message);
    await until(() => journal().length > 0);
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
    expect(await creating).toMatch(/unexpected EOF|connection is shut down/);
    expect(journal()).toEqual(['create', 'abandon create', 'abandoned']);
  });

  test('without heartbeats it ends by itself and undoes what it was at', async () => {
    const { plugin, journal, lines } = await start(
      { createUntil: path.join(folder, 'never') },
      { env: { FAKE_SILENCE_LIMIT_MS: '400' }, heartbeatMs: 100_000 },
    );
    plugin.driver.create().catch(() => {});
    const begin = performance.now();
    expect(await plugin.exited).toEqual({ code: 1, signal: null });
    expect(performance.now() - begin).toBeGreaterThan(300);
    expect(journal()).toEqual(['create', 'abandon create', 'abandoned']);
    expect(lines.stderr.at(-1)).toBe('no sign of life of the client: the plugin ends');
  });

  test('a client that is gone is noticed at once, and its Create undone', async () => {
    const { plugin, journal } = await start({ createUntil: path.join(folder, 'never') }, { heartbeatMs: 1000 });
    const killed = await RpcClient.connect(plugin.address);
    killed.call('RPCServerDriver.Create', NOTHING, EMPTY, EMPTY).catch(() => {});
    await until(() => journal().length > 0);
    await killed.close();
    await until(() => journal().length === 3);
    expect(journal()).toEqual(['create', 'abandon create', 'abandoned']);
    // Somebody else may go on.
    expect(await plugin.driver.getMachineName()).toBe('dev');
  });

  test('with heartbeats it stays', async () => {
    const { plugin } = await start({}, { env: { FAKE_SILENCE_LIMIT_MS: '400' }, heartbeatMs: 80 });
    await sleep(1_200);
    expect(await plugin.driver.getMachineName()).toBe('dev');
  });

  test('a driver that is busy for longer than the limit is not a client that is gone', async () => {
    const { plugin } = await start({ blockMs: 900 }, { env: { FAKE_SILENCE_LIMIT_MS: '400' }, heartbeatMs: 80 });
    await plugin.driver.create();
    expect(await plugin.driver.getMachineName()).toBe('dev');
  });

  test('nobody connects at all', async () => {
    const child = spawn(built.program, {
      env: { ...process.env, MACHINE_PLUGIN_TOKEN: '42', FAKE_SILENCE_LIMIT_MS: '200' },
      stdio: 'ignore',
    });
    expect(await once(child, 'exit')).toEqual([1, null]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: cleans up, then exits with %i', async (signal, code) => {
    const { plugin, journal } = await start({ createUntil: path.join(folder, 'never') });
    plugin.driver.create().catch(() => {});
    await until(() => journal().length > 0);
    process.kill(plugin.pid, signal);
    expect(await plugin.exited).toEqual({ code, signal: null });
    expect(journal()).toEqual(['create', 'abandon create', 'abandoned']);
  });

  test('a second signal does not wait for the clean-up', async () => {
    const { plugin, journal } = await start({ abandonMs: 60_000 });
    process.kill(plugin.pid, 'SIGINT');
    await until(() => journal().length > 0);
    process.kill(plugin.pid, 'SIGINT');
    expect(await plugin.exited).toEqual({ code: 130, signal: null });
    expect(journal()).toEqual(['abandon nothing']);
  });

  test('a clean-up that hangs is given up', async () => {
    const { plugin } = await start({ abandonMs: 60_000 });
    const begin = performance.now();
    process.kill(plugin.pid, 'SIGTERM');
    expect(await plugin.exited).toEqual({ code: 143, signal: null });
    expect(performance.now() - begin).toBeLessThan(8_000);
  }, 15_000);

  test.each(['exception', 'rejection'] as const)('an uncaught %s is one line and exit code 1', async (crash) => {
    const { plugin, lines } = await start({ crash });
    plugin.driver.getState().catch(() => {});
    expect(await plugin.exited).toEqual({ code: 1, signal: null });
    await until(() => lines.stderr.length > 0);
    expect(lines.stderr).toEqual([
      expect.stringMatching(/^docker-machine-driver-hyperkit: Error: broken \| in two lines \| at /),
    ]);
  });
});

describe('who may connect', () => {
  const address = (plugin: LaunchedPlugin) => {
    const [host = '', port = ''] = plugin.address.split(':');
    return { host, port: Number(port) };
  };
  const HEAD = 'CONNECT /_goRPC_ HTTP/1.0\\n\\n';
  const PROBE = `
    const socket = require('net').connect(JSON.parse(process.argv[1]));
    let received = '';
    socket.on('data', (data) => { received += data; socket.end(); });
    socket.on('error', () => {});
    socket.on('close', () => process.stdout.write(received));
    socket.write('${HEAD}');`;

  async function probe(plugin: LaunchedPlugin, uid?: number): Promise<string> {
    const child: ChildProcess = spawn(process.execPath, ['-e', PROBE, JSON.stringify(address(plugin))], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit'],
      ...(uid === undefined ? {} : { uid }),
    });
    let output = '';
    child.stdout?.on('data', (data: Buffer) => {
      output += data.toString();
    });
    await once(child, 'close');
    return output;
  }

  test('ourselves', async () => {
    const { plugin } = await start();
    expect(await probe(plugin)).toBe('HTTP/1.0 200 Connected to Go RPC\n\n');
  });

  const asRootOnLinux = process.getuid?.() === 0 && process.platform === 'linux' ? test : test.skip;
  asRootOnLinux('no other user, who gets no byte (needs root)', async () => {
    const { plugin, lines } = await start();
    expect(await probe(plugin, 65_534)).toBe('');
    expect(lines).toEqual({ stdout: [], stderr: ['refused a connection of user 65534'] });
    expect(await plugin.driver.getMachineName()).toBe('dev');
  });

  asRootOnLinux('not somebody who writes and goes before the check (needs root)', async () => {
    const { plugin, lines } = await start();
    const child = spawn(
      process.execPath,
      [
        '-e',
        `const s = require('net').connect(JSON.parse(process.argv[1]), () => { s.write('${HEAD}'); process.exit(); })`,
        JSON.stringify(address(plugin)),
      ],
      { cwd: '/', stdio: 'ignore', uid: 65_534 },
    );
    await once(child, 'exit');
    await until(() => lines.stderr.length > 0);
    expect(lines.stderr[0]).toMatch(/^refused a connection of (user 65534|a process that does not own it any more)$/);
  });

  asRootOnLinux('a plugin of another user is open to its parent, to root and to itself (needs root)', async () => {
    const child = spawn(built.program, {
      cwd: '/',
      env: { PATH: process.env['PATH'], MACHINE_PLUGIN_TOKEN: '42' },
      stdio: ['ignore', 'pipe', 'inherit'],
      uid: 65_534,
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const plugin = { address: line.toString().trim() } as LaunchedPlugin;
    expect(await probe(plugin)).toContain('200 Connected');
    expect(await probe(plugin, 65_534)).toContain('200 Connected');
    expect(await probe(plugin, 65_533)).toBe('');
    child.kill('SIGKILL');
  });

  test('not too many at a time', async () => {
    const { plugin } = await start();
    const sockets = Array.from({ length: 200 }, () =>
      connect(address(plugin))
        .on('error', () => {})
        .resume(),
    );
    await until(() => sockets.filter((socket) => socket.destroyed).length >= 73);
    await sleep(100);
    expect(sockets.filter((socket) => socket.destroyed)).toHaveLength(73); // 128 may stay, one of them the driver's
    expect(await plugin.driver.getMachineName()).toBe('dev');
    for (const socket of sockets) socket.destroy();
  });
});
