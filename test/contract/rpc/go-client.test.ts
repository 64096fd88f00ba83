// Our server against Go's own net/rpc client.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LaunchedPlugin, launchPlugin } from '../../../driver/client';
import { buildPeer, describeWith } from '../../support/peers';
import { type BuiltPlugin, buildFakePlugin } from '../../unit/driver/plugin/fixtures/build-fake-plugin';

const peer = buildPeer('rpc-client');

interface Line {
  readonly step: number;
  readonly round: number;
  readonly on: number;
  readonly method: string;
  readonly result?: unknown;
  readonly error?: string;
}

describeWith("Go's client", [peer.available ? undefined : peer.reason], () => {
  let built: BuiltPlugin;
  let plugin: LaunchedPlugin;
  let folder: string;
  beforeAll(() => {
    built = buildFakePlugin();
    folder = mkdtempSync(path.join(tmpdir(), 'go-client-'));
  });
  afterAll(() => {
    built.remove();
    rmSync(folder, { recursive: true });
  });
  beforeEach(async () => {
    plugin = await launchPlugin(built.program);
  });
  afterEach(() => plugin.kill());

  async function play(script: object): Promise<Line[]> {
    const child = spawn(peer.available ? peer.path : '', [plugin.address], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.stdin.end(JSON.stringify(script));
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  const outcome = ({ result, error }: Line) => error ?? result;
  const call = (method: string, more: object = {}) => ({ method: `RPCServerDriver.${method}`, ...more });
  const config = (json: object) => ({ arg: { bytes: JSON.stringify(json) } });

  test('calls every method', async () => {
    const lines = await play({
      steps: [
        call('GetVersion'),
        call('SetConfigRaw', config({ MachineName: 'dev' })),
        call('GetConfigRaw'),
        call('GetMachineName'),
        call('DriverName'),
        call('GetIP'),
        call('GetSSHHostname'),
        call('GetSSHPort'),
        call('GetSSHUsername'),
        call('GetURL'),
        call('GetState'),
        call('Heartbeat'),
        ...['PreCreateCheck', 'Create', 'Start', 'Stop', 'Restart', 'Kill', 'Remove'].map((name) => call(name)),
        { method: 'RpcServerDriver.GetVersion' },
      ],
    });
    expect(lines.map(outcome)).toEqual([
      1,
      undefined,
      '{"MachineName":"dev"}',
      'dev',
      'hyperkit',
      '127.64.0.1',
      '127.64.0.1',
      2222,
      'docker',
      'Host is not running',
      4,
      ...Array.from({ length: 8 }, () => undefined),
      1,
    ]);
  });

  test('reads all kinds of create flags', async () => {
    const [line] = await play({ steps: [call('GetCreateFlags')] });
    const flag = (kind: string, Name: string, Usage: string, EnvVar: string, more: object = {}) => ({
      kind,
      flag: { Name, Usage, EnvVar, ...more },
    });
    expect(line?.result).toEqual([
      flag('StringFlag', 'hyperkit-s', 'a string', 'HYPERKIT_S', { Value: 'dflt' }),
      flag('IntFlag', 'hyperkit-i', 'an int', 'HYPERKIT_I', { Value: 1024 }),
      flag('BoolFlag', 'hyperkit-b', 'a bool', ''),
      flag('StringSliceFlag', 'hyperkit-l', 'a list', 'HYPERKIT_L', { Value: ['a', 'b'] }),
      flag('StringSliceFlag', 'hyperkit-m', 'another list', '', { Value: null }),
    ]);
  });

  test('sends all kinds of flag values, on one connection more than once', async () => {
    const set = (flags: object) => call('SetConfigFromFlags', { arg: { flags } });
    const get = call('GetSSHKeyPath'); // the fake driver shows its flags there
    const lines = await play({
      steps: [
        get,
        set({ s: 'x', e: '', i: 5, z: 0, n: -70_000, t: true, f: false, l: ['a', 'b'], none: [], nil: null }),
        get,
        set({ l: ['y'] }),
        get,
        set({}),
        get,
      ],
    });
    expect(lines.filter((line) => line.method.endsWith('GetSSHKeyPath')).map(outcome)).toEqual([
      '[]',
      '[["e",""],["f",false],["i",5],["l",["a","b"]],["n",-70000],["none",[]],["s","x"],["t",true],["z",0]]',
      '[["l",["y"]]]',
      '[]',
    ]);
  });

  test('gets the errors it would get from Go', async () => {
    const lines = await play({
      steps: [
        call('Foo'),
        { method: 'Foo.Bar' },
        { method: 'Foo' },
        call('GetVersion', { arg: { record: { Name: 'x', Count: 1 } } }),
        call('GetVersion', { arg: { string: 'x' } }),
        call('SetConfigRaw', { arg: { int: 5 } }),
        call('SetConfigFromFlags', { arg: { string: 'x' } }),
        call('GetVersion'),
      ],
    });
    expect(lines.map(outcome)).toEqual([
      "rpc: can't find method RPCServerDriver.Foo",
      "rpc: can't find service Foo.Bar",
      'rpc: service/method request ill-formed: Foo',
      1, // a struct fits struct{}: its fields are not asked for
      expect.stringMatching(/^gob: type mismatch in decoder: want struct type .*; got non-struct$/),
      'gob: decoding into local type bytes, received remote type int',
      expect.stringMatching(
        /^gob: local interface type .*can only be decoded from remote interface type; received concrete type string$/,
      ),
      1,
    ]);
  });

  test('sees Create fail with the words of the driver', async () => {
    const lines = await play({
      steps: [
        call('SetConfigRaw', config({ createFails: 'driver' })),
        call('Create'),
        call('SetConfigRaw', config({ createFails: 'panic' })),
        call('Create'),
      ],
    });
    expect(lines.map(outcome)).toEqual([
      undefined,
      'cannot create the disk: it is full',
      undefined,
      'Panic in the driver: x is not a function',
    ]);
  });

  test('has heartbeats answered while Create runs', async () => {
    const createUntil = path.join(folder, 'go-on');
    const playing = play({
      together: true,
      steps: [
        call('SetConfigRaw', config({ createUntil })),
        { sleepMs: 100 },
        call('Create'),
        call('Heartbeat', { repeat: 20 }),
        call('DriverName'),
      ],
    });
    await sleep(500);
    writeFileSync(createUntil, '');
    const lines = await playing;
    expect(lines.at(-1)?.method).toBe('RPCServerDriver.Create');
    expect(lines).toHaveLength(23);
    expect(lines.every((line) => line.error === undefined)).toBe(true);
  });

  test('makes thousands of calls over several connections at a time', async () => {
    const lines = await play({
      connections: 4,
      together: true,
      steps: [0, 1, 2, 3].map((on) => call('GetIP', { on, repeat: 1000 })),
    });
    expect(lines).toHaveLength(4000);
    expect(new Set(lines.map(outcome))).toEqual(new Set(['127.64.0.1']));
  });

  test('passes large configurations', async () => {
    const lines = await play({
      steps: [call('SetConfigRaw', { arg: { size: 3_000_000 } }), call('GetVersion'), call('Heartbeat')],
    });
    expect(lines.map(outcome)).toEqual([undefined, 1, undefined]);
  });

  test('closes the plugin', async () => {
    const lines = await play({ steps: [call('GetVersion'), call('Close')] });
    expect(lines.map(outcome)).toEqual([1, undefined]);
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
  });
});
