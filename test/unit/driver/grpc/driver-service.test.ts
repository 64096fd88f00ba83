import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { type Client as Channel, credentials, status } from '@grpc/grpc-js';
import { emptyConfig, mergeConfig, serializeConfig } from '../../../../driver/config/driver-config';
import { HYPERKIT_FLAGS } from '../../../../driver/contract/hyperkit-flags';
import type { Logger } from '../../../../driver/contract/logger';
import { type MachineDriver, MachineState } from '../../../../driver/contract/machine-driver';
import { DriverError } from '../../../../driver/errors';
import { DRIVER_FAULTS } from '../../../../driver/grpc/driver-faults';
import { describeDriverService } from '../../../../driver/grpc/driver-service';
import { MachineRecords } from '../../../../driver/grpc/machine-records';
import { createClient, GrpcError, openChannel, type ServiceClient } from '../../../../engine/grpc/client';
import { GrpcHost } from '../../../../engine/grpc/host';
import { Level, MachineDriver as Service } from '../../../../proto/generated/hyperkit/driver/v1/driver_pb';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

/** What happened to the drivers, in order. */
let journal: string[];
/** Makes the next operation wait until it is abandoned, or fail. */
let behaviour: 'well' | 'wait' | 'fail';
let state: MachineState;

function createFakeDriver(logger: Logger): MachineDriver {
  let { document } = mergeConfig(emptyConfig(), '{}');
  let giveUp: (() => void) | undefined;
  const operation = (word: string, after: MachineState) => async (): Promise<void> => {
    journal.push(word);
    logger.info(`${word}...`);
    logger.debug('secret');
    if (behaviour === 'fail' && word !== 'remove')
      throw new DriverError('HK_DISK_FULL', 'cannot create the disk: it is full');
    if (behaviour === 'wait') {
      await new Promise<void>((_resolve, reject) => {
        giveUp = () => reject(new DriverError('HK_CLIENT_GONE', 'undone'));
      });
    }
    document.config.IPAddress = '127.64.0.9';
    state = after;
  };
  return {
    driverName: () => 'hyperkit',
    getCreateFlags: () => HYPERKIT_FLAGS,
    setConfigRaw: async (bytes) => {
      document = mergeConfig(document, Buffer.from(bytes).toString()).document;
    },
    getConfigRaw: async () => Buffer.from(serializeConfig(document)),
    setConfigFromFlags: async (values) => {
      document.config.CPU = Number(values.get('hyperkit-cpu-count') ?? 1);
    },
    getMachineName: async () => document.config.MachineName,
    getIP: async () => document.config.IPAddress,
    getSSHHostname: async () => document.config.IPAddress,
    getSSHKeyPath: async () => path.join(document.config.StorePath, 'id_rsa'),
    getSSHPort: async () => 22,
    getSSHUsername: async () => 'docker',
    getURL: async () => `tcp://${document.config.IPAddress}:2376`,
    getState: async () => state,
    preCreateCheck: async () => logger.warn('little memory'),
    create: operation('create', MachineState.Running),
    remove: operation('remove', MachineState.Stopped),
    start: operation('start', MachineState.Running),
    stop: operation('stop', MachineState.Stopped),
    restart: operation('restart', MachineState.Running),
    kill: operation('kill', MachineState.Stopped),
    abandon: async () => {
      journal.push('abandon');
      // The clean-up that follows does not wait.
      behaviour = 'well';
      giveUp?.();
    },
  };
}

let store: string;
let host: GrpcHost;
let server: Server;
let channel: Channel;
let driver: ServiceClient<typeof Service>;

const root = temporaryFolder();

beforeEach(async () => {
  journal = [];
  behaviour = 'well';
  state = MachineState.Stopped;
  store = mkdtempSync(path.join(root, 's'));
  const records = new MachineRecords(store);
  const service = describeDriverService({ records, log: () => undefined, createDriver: createFakeDriver });
  host = new GrpcHost({ services: [service], faults: DRIVER_FAULTS, log: () => undefined });
  server = createServer((socket) => host.accept(socket));
  server.listen(path.join(store, 'socket'));
  await once(server, 'listening');
  channel = openChannel(`unix:${path.join(store, 'socket')}`, credentials.createInsecure());
  driver = createClient(Service, channel);
});

afterEach(async () => {
  channel.close();
  server.close();
  await host.close(0);
});

const folder = (): string => path.join(store, 'machines', 'dev');
const saved = (): Readonly<Record<string, unknown>> =>
  JSON.parse(readFileSync(path.join(folder(), 'config.json'), 'utf8')) as Record<string, unknown>;

async function refusal(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => 'no error',
    (error: unknown) => (error instanceof GrpcError ? `${status[error.status]} ${error.code}` : String(error)),
  );
}

/** Events as short texts. */
async function play(events: ReturnType<typeof driver.create>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { event } of events) {
    if (event.case === 'progress') seen.push(`${Level[event.value.level]} ${event.value.text}`);
    if (event.case === 'result') seen.push(`result ${event.value.state} ${event.value.url}`);
  }
  return seen;
}

async function makeMachine(): Promise<void> {
  await driver.setConfigFromFlags({ machine: 'dev', flags: { 'hyperkit-cpu-count': number(2n) } });
  await play(driver.create({ machine: 'dev' }));
  journal = [];
}

const number = (value: bigint) => ({ kind: { case: 'number', value } }) as const;

test('a machine from its flags to its end', async () => {
  await driver.setConfigFromFlags({ machine: 'dev', flags: { 'hyperkit-cpu-count': number(2n) } });
  expect(existsSync(folder())).toBe(false);
  expect((await driver.preCreateCheck({ machine: 'dev' })).warnings).toEqual(['little memory']);
  expect(await play(driver.create({ machine: 'dev' }))).toEqual(['INFO create...', 'result 1 tcp://127.64.0.9:2376']);
  expect(saved()).toMatchObject({
    ConfigVersion: 3,
    DriverName: 'hyperkit',
    Name: 'dev',
    Driver: { MachineName: 'dev', StorePath: store, CPU: 2, IPAddress: '127.64.0.9' },
  });
  expect(await driver.getURL({ machine: 'dev' })).toMatchObject({ url: 'tcp://127.64.0.9:2376' });
  expect(await play(driver.stop({ machine: 'dev' }))).toEqual(['INFO stop...', 'result 4 ']);
  expect(await play(driver.start({ machine: 'dev' }))).toHaveLength(2);
  expect(await play(driver.restart({ machine: 'dev' }))).toHaveLength(2);
  await driver.kill({ machine: 'dev' });
  await driver.remove({ machine: 'dev' });
  expect(existsSync(folder())).toBe(false);
  expect(await refusal(driver.getState({ machine: 'dev' }))).toBe('NOT_FOUND HK_MACHINE_UNKNOWN');
});

test('flags of every kind are told', async () => {
  const { flags } = await driver.getCreateFlags({});
  expect(flags.map(({ name, defaultValue }) => [name, defaultValue?.kind.case])).toEqual(
    HYPERKIT_FLAGS.map(({ name, kind }) => [
      name,
      { string: 'text', int: 'number', slice: 'list', bool: 'boolean' }[kind],
    ]),
  );
});

test('a machine that docker-machine made is known, and what is not ours in its file stays', async () => {
  mkdirSync(folder(), { recursive: true });
  const document = { ConfigVersion: 3, Driver: { MachineName: 'x', Extra: 1 }, DriverName: 'hyperkit', Odd: [1] };
  writeFileSync(path.join(folder(), 'config.json'), JSON.stringify(document));
  await play(driver.start({ machine: 'dev' }));
  expect(saved()).toMatchObject({ Odd: [1], Driver: { MachineName: 'dev', Extra: 1, IPAddress: '127.64.0.9' } });
});

test('a configuration can be laid over, but name and store are the server’s', async () => {
  const config = Buffer.from(JSON.stringify({ CPU: 3, Memory: 'much', MachineName: '../x', StorePath: '/' }));
  expect((await driver.setConfigRaw({ machine: 'dev', config })).complaints).toEqual([
    "the configuration's Memory has a wrong type, it was ignored",
  ]);
  const raw = JSON.parse(Buffer.from((await driver.getConfigRaw({ machine: 'dev' })).config).toString()) as object;
  expect(raw).toMatchObject({ CPU: 3, Memory: 0, MachineName: 'dev', StorePath: store });
});

test.each([
  ['a name with a path in it', () => driver.getState({ machine: '../dev' }), 'INVALID_ARGUMENT HK_CONFIG_INVALID'],
  ['no name', () => driver.getState({}), 'INVALID_ARGUMENT HK_CONFIG_INVALID'],
  ['a name without end', () => driver.getState({ machine: 'x'.repeat(1000) }), 'INVALID_ARGUMENT HK_CONFIG_INVALID'],
  ['no such machine', () => play(driver.start({ machine: 'dev' })), 'NOT_FOUND HK_MACHINE_UNKNOWN'],
  [
    'no JSON',
    () => driver.setConfigRaw({ machine: 'a', config: Buffer.from('[') }),
    'INVALID_ARGUMENT HK_CONFIG_INVALID',
  ],
  [
    'a flag without a value',
    () => driver.setConfigFromFlags({ machine: 'a', flags: { x: {} } }),
    'INVALID_ARGUMENT HK_REQUEST_INVALID',
  ],
  [
    'a huge number',
    () => driver.setConfigFromFlags({ machine: 'a', flags: { x: number(1n << 62n) } }),
    'INVALID_ARGUMENT HK_REQUEST_INVALID',
  ],
])('%s is refused', async (_what, call, expected) => {
  expect(await refusal(call())).toBe(expected);
  expect(readdirSync(store)).toEqual(['socket']);
});

test('a damaged config.json is told, and not overwritten', async () => {
  mkdirSync(folder(), { recursive: true });
  writeFileSync(path.join(folder(), 'config.json'), '{');
  expect(await refusal(driver.getState({ machine: 'dev' }))).toBe('INVALID_ARGUMENT HK_CONFIG_INVALID');
  expect(await refusal(driver.setConfigFromFlags({ machine: 'dev' }))).toBe('INVALID_ARGUMENT HK_CONFIG_INVALID');
  expect(readFileSync(path.join(folder(), 'config.json'), 'utf8')).toBe('{');
});

test('a machine that exists is not made again', async () => {
  await makeMachine();
  expect(await refusal(driver.setConfigFromFlags({ machine: 'dev' }))).toBe('ALREADY_EXISTS HK_MACHINE_EXISTS');
  expect(await refusal(play(driver.create({ machine: 'dev' })))).toBe('ALREADY_EXISTS HK_MACHINE_EXISTS');
  expect(journal).toEqual([]);
});

test('nor is a folder taken over that somebody else made', async () => {
  await driver.setConfigFromFlags({ machine: 'dev' });
  mkdirSync(folder(), { recursive: true });
  expect(await refusal(play(driver.create({ machine: 'dev' })))).toBe('ALREADY_EXISTS HK_MACHINE_EXISTS');
  expect(existsSync(folder())).toBe(true);
});

test('a Create that fails leaves nothing, and can be tried again', async () => {
  await driver.setConfigFromFlags({ machine: 'dev', flags: { 'hyperkit-cpu-count': number(2n) } });
  behaviour = 'fail';
  expect(await refusal(play(driver.create({ machine: 'dev' })))).toBe('RESOURCE_EXHAUSTED HK_DISK_FULL');
  behaviour = 'well';
  expect(existsSync(folder())).toBe(false);
  await play(driver.create({ machine: 'dev' }));
  expect(saved()).toMatchObject({ Driver: { CPU: 2 } });
});

test.each([
  ['cancelled', () => ({ signal: AbortSignal.timeout(200) }), 'CANCELLED CANCELLED'],
  ['out of time', () => ({ timeoutMs: 200 }), 'DEADLINE_EXCEEDED DEADLINE_EXCEEDED'],
])('a Create that is %s is undone', async (_what, options, expected) => {
  await driver.setConfigFromFlags({ machine: 'dev' });
  behaviour = 'wait';
  expect(await refusal(play(driver.create({ machine: 'dev' }, options())))).toBe(expected);
  await until('it is undone', () => host.calls === 0);
  expect(journal.slice(0, 2)).toEqual(['create', 'abandon']);
  expect(journal.at(-1)).toBe('remove');
  expect(existsSync(folder())).toBe(false);
});

test('two calls do not work on one machine at once, but looking at it is free', async () => {
  await makeMachine();
  behaviour = 'wait';
  const abort = new AbortController();
  const starting = play(driver.start({ machine: 'dev' }, { signal: abort.signal }));
  await until('it starts', () => journal.includes('start'));
  expect(await refusal(play(driver.stop({ machine: 'dev' })))).toBe('ABORTED HK_MACHINE_BUSY');
  expect(await refusal(driver.remove({ machine: 'dev' }))).toBe('ABORTED HK_MACHINE_BUSY');
  expect(await driver.getState({ machine: 'dev' })).toMatchObject({ state: MachineState.Running });
  abort.abort();
  expect(await refusal(starting)).toBe('CANCELLED CANCELLED');
  await until('it is over', () => host.calls === 0);
  await play(driver.stop({ machine: 'dev' }));
});

test('the server’s end undoes what runs', async () => {
  await driver.setConfigFromFlags({ machine: 'dev' });
  behaviour = 'wait';
  const creating = refusal(play(driver.create({ machine: 'dev' })));
  await until('it creates', () => journal.includes('create'));
  await host.close(50);
  expect(await creating).toBe('CANCELLED HK_CLIENT_GONE');
  expect(existsSync(folder())).toBe(false);
});

test('drafts are bounded: the oldest is forgotten', async () => {
  for (let index = 0; index < 65; index++) await driver.setConfigFromFlags({ machine: `m${index}` });
  expect(await refusal(driver.getState({ machine: 'm0' }))).toBe('NOT_FOUND HK_MACHINE_UNKNOWN');
  expect(await refusal(driver.getState({ machine: 'm64' }))).toBe('no error');
});
