import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { newHostOptions } from '../../../../driver/host/host-options';
import { checkMachineName } from '../../../../driver/store/machine-name';
import { MachineStore } from '../../../../driver/store/machine-store';
import { resolveStoragePath } from '../../../../driver/store/storage-path';
import { temporaryFolder } from '../../../support/temporary-folder';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const WISHES = { flags: [], env: [], insecureRegistries: [], labels: ['a=b'], registryMirrors: [], storageDriver: '' };

function makeStore(): MachineStore {
  return new MachineStore({ path: temporaryFolder(), programsDir: '/nowhere', loggerOf: () => silent });
}

function put(store: MachineStore, name: string, content: unknown): string {
  const folder = store.folderOf(name);
  mkdirSync(folder, { recursive: true });
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(path.join(folder, 'config.json'), text);
  return folder;
}

const OURS = {
  ConfigVersion: 3,
  Driver: { MachineName: 'dev', IPAddress: '127.65.4.3', CPU: 2, FutureField: { kept: true } },
  DriverName: 'hyperkit',
  HostOptions: { EngineOptions: { Labels: ['a=b'] }, Unknown: [1, 2] },
  Name: 'dev',
  RawDriver: null,
};

test('lists every machine, whatever its driver and state; an absent store has none', () => {
  const store = makeStore();
  expect(store.list()).toEqual([]);
  put(store, 'dev', OURS);
  put(store, 'cloud', { ...OURS, DriverName: 'amazonec2' });
  put(store, 'broken', '{');
  mkdirSync(store.folderOf('empty'));
  mkdirSync(store.folderOf('.hidden'));
  writeFileSync(store.folderOf('file'), '');
  symlinkSync(store.folderOf('dev'), store.folderOf('link'));
  expect(store.list()).toEqual(['broken', 'cloud', 'dev', 'empty', 'link']);
});

test('a saved machine keeps every key that nobody here knows, for the user only, in four-space JSON', async () => {
  const store = makeStore();
  const folder = put(store, 'dev', OURS);
  const machine = await store.load('dev');
  expect(machine.driverName).toBe('hyperkit');
  expect(await machine.driver?.getMachineName()).toBe('dev');
  await machine.save();
  const text = readFileSync(path.join(folder, 'config.json'), 'utf8');
  const saved = JSON.parse(text);
  expect(text).toBe(JSON.stringify(saved, undefined, 4));
  expect(saved).toMatchObject({ ...OURS, Driver: { ...OURS.Driver, StorePath: store.path } });
  expect(Object.keys(saved)).toEqual(Object.keys(OURS));
  expect(statSync(path.join(folder, 'config.json')).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['config.json']);
});

test('a new machine is on disk only once it is saved, with the keys of docker-machine in its order', async () => {
  const store = makeStore();
  const draft = await store.draft('fresh', newHostOptions(store.path, 'fresh', WISHES, ['extra'], 'https://x'));
  expect(store.list()).toEqual([]);
  mkdirSync(draft.folder, { recursive: true });
  await draft.save();
  const saved = JSON.parse(readFileSync(path.join(draft.folder, 'config.json'), 'utf8'));
  expect(Object.keys(saved)).toEqual(['ConfigVersion', 'Driver', 'DriverName', 'HostOptions', 'Name']);
  expect(saved.HostOptions.AuthOptions).toEqual({
    CertDir: path.join(store.path, 'certs'),
    CaCertPath: path.join(store.path, 'certs/ca.pem'),
    CaPrivateKeyPath: path.join(store.path, 'certs/ca-key.pem'),
    CaCertRemotePath: '',
    ServerCertPath: path.join(draft.folder, 'server.pem'),
    ServerKeyPath: path.join(draft.folder, 'server-key.pem'),
    ClientKeyPath: path.join(store.path, 'certs/key.pem'),
    ServerCertRemotePath: '',
    ServerKeyRemotePath: '',
    ClientCertPath: path.join(store.path, 'certs/cert.pem'),
    ServerCertSANs: ['extra'],
    StorePath: draft.folder,
  });
  expect(saved.HostOptions.EngineOptions.Labels).toEqual(['a=b']);
});

test('a machine of another driver has no driver here and is not written', async () => {
  const store = makeStore();
  const folder = put(store, 'cloud', { ...OURS, DriverName: 'amazonec2' });
  const before = readFileSync(path.join(folder, 'config.json'), 'utf8');
  const machine = await store.load('cloud');
  expect(machine.driver).toBeUndefined();
  expect(() => machine.requireDriver()).toThrow(/its driver is "amazonec2", not hyperkit; use docker-machine/);
  await expect(machine.save()).rejects.toMatchObject({ code: 'HK_FOREIGN_DRIVER' });
  expect(readFileSync(path.join(folder, 'config.json'), 'utf8')).toBe(before);
});

test.each([
  ['no JSON', '{"ConfigVersion": 3,', /is damaged: it is no JSON object/],
  ['a list', '[]', /is damaged: it is no JSON object/],
  ['empty', '', /is damaged/],
  ['without a driver', { ...OURS, DriverName: undefined }, /names no driver/],
  ['of an old version', { ...OURS, ConfigVersion: 1 }, /of version 1, not 3/],
  ['endless', ' '.repeat(9 * 1024 * 1024), /longer than/],
])('a config.json that is %s is told with what to do', async (_title, content, text) => {
  const store = makeStore();
  put(store, 'dev', content);
  const loading = store.load('dev');
  await expect(loading).rejects.toMatchObject({ code: 'HK_CONFIG_INVALID' });
  await expect(loading).rejects.toThrow(text);
  await expect(loading).rejects.toThrow(/hyperkit rm -f dev/);
});

test('a folder without config.json is a creation that was cut off', async () => {
  const store = makeStore();
  mkdirSync(store.folderOf('half'), { recursive: true });
  await expect(store.load('half')).rejects.toThrow(/its creation was cut off/);
  expect(store.has('half')).toBe(true);
});

test.each(['', '..', '../x', 'a/b', '/etc', '-x', '.hidden'])('"%s" is no machine, and no path', async (name) => {
  const store = makeStore();
  mkdirSync(store.folderOf('dev'), { recursive: true });
  expect(store.has(name)).toBe(false);
  await expect(store.load(name)).rejects.toMatchObject({ code: 'HK_MACHINE_UNKNOWN' });
});

test('values of a wrong type in the driver’s part do not make a machine unusable', async () => {
  const store = makeStore();
  put(store, 'dev', { ...OURS, Driver: { CPU: 'many', SSHPort: null, Boot2DockerURL: [] } });
  expect(await (await store.load('dev')).driver?.getSSHPort()).toBe(22);
  put(store, 'odd', { ...OURS, Driver: 'nothing', HostOptions: 7 });
  expect(await (await store.load('odd')).driver?.getMachineName()).toBe('odd');
});

test('one command at a time, and the other learns which', async () => {
  const store = makeStore();
  put(store, 'dev', OURS);
  const machine = await store.load('dev');
  await machine.withLock('hyperkit stop dev', async () => {
    const second = (await store.load('dev')).withLock('hyperkit start dev', async () => undefined);
    await expect(second).rejects.toThrow(`"hyperkit stop dev" (process ${process.pid}) is working on it`);
  });
  await machine.withLock('hyperkit start dev', async () => undefined);
});

test('names for new machines are docker-machine’s: they become host names', () => {
  for (const name of ['a', 'Dev-1.example', '0']) expect(checkMachineName(name)).toBe(name);
  for (const name of ['', 'a_b', '-a', '.a', 'a b', 'ä', 'a/b', 'a'.repeat(65)]) {
    expect(() => checkMachineName(name)).toThrow(/cannot name a machine/);
  }
});

test('the folder: option, then MACHINE_STORAGE_PATH, then ~/.docker/machine', () => {
  expect(resolveStoragePath('/a', { MACHINE_STORAGE_PATH: '/b' })).toBe('/a');
  expect(resolveStoragePath(undefined, { MACHINE_STORAGE_PATH: '/b' })).toBe('/b');
  expect(resolveStoragePath('rel', {})).toBe(path.resolve('rel'));
  expect(resolveStoragePath('', {})).toMatch(/\/\.docker\/machine$/);
});
