import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { newHostOptions } from '../../../../driver/host/host-options';
import { type CreateProgress, DriverError, Machines } from '../../../../driver/library';
import { temporaryFolder } from '../../../support/temporary-folder';

const WISHES = { flags: [], env: [], insecureRegistries: [], labels: [], registryMirrors: [], storageDriver: '' };

function put(storagePath: string, name: string, content: unknown): string {
  const folder = path.join(storagePath, 'machines', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'config.json'), typeof content === 'string' ? content : JSON.stringify(content));
  return folder;
}

function config(storagePath: string, name: string, driverName = 'hyperkit'): unknown {
  return {
    ConfigVersion: 3,
    Driver: { MachineName: name, StorePath: storagePath },
    DriverName: driverName,
    HostOptions: newHostOptions(storagePath, name, WISHES, [], ''),
    Name: name,
  };
}

test('a store is where it is said, else where docker-machine has it; one that is not there is empty', async () => {
  const folder = temporaryFolder();
  const before = process.env['MACHINE_STORAGE_PATH'];
  process.env['MACHINE_STORAGE_PATH'] = folder;
  try {
    expect(Machines.open().storagePath).toBe(folder);
  } finally {
    if (before === undefined) delete process.env['MACHINE_STORAGE_PATH'];
    else process.env['MACHINE_STORAGE_PATH'] = before;
  }
  const storagePath = path.join(folder, 'none');
  expect(await Machines.open({ storagePath }).list()).toEqual([]);
  expect(existsSync(storagePath)).toBe(false);
});

test('every machine is listed; one that is unknown, damaged or of another driver says so', async () => {
  const storagePath = temporaryFolder();
  put(storagePath, 'dev', config(storagePath, 'dev'));
  put(storagePath, 'cloud', config(storagePath, 'cloud', 'amazonec2'));
  put(storagePath, 'broken', '{');
  const machines = Machines.open({ storagePath });
  const listed = await machines.list();
  expect(listed.map(({ name }) => name)).toEqual(['broken', 'cloud', 'dev']);
  await expect(listed[0]?.state()).rejects.toMatchObject({ code: 'HK_CONFIG_INVALID' });
  await expect(listed[1]?.state()).rejects.toMatchObject({ code: 'HK_FOREIGN_DRIVER' });
  expect(await listed[2]?.state()).toBe('stopped');
  await expect(machines.get('cloud')).rejects.toMatchObject({ code: 'HK_FOREIGN_DRIVER' });
  await expect(machines.get('none')).rejects.toBeInstanceOf(DriverError);
  await expect(machines.get('none')).rejects.toMatchObject({ code: 'HK_MACHINE_UNKNOWN' });
  expect((await machines.get('dev')).name).toBe('dev');
});

test('a stopped machine has no address, no Docker and takes no commands, and is removed', async () => {
  const storagePath = temporaryFolder();
  const folder = put(storagePath, 'dev', config(storagePath, 'dev'));
  const dev = await Machines.open({ storagePath }).get('dev');
  for (const call of [dev.ip(), dev.dockerUrl(), dev.dockerOptions(), dev.run('true')]) {
    await expect(call).rejects.toMatchObject({ code: 'HK_HOST_NOT_RUNNING' });
  }
  for (const call of [dev.stop(), dev.kill()]) {
    await expect(call).rejects.toMatchObject({ code: 'HK_MACHINE_STATE' });
  }
  await dev.remove();
  expect(existsSync(folder)).toBe(false);
  await expect(dev.state()).rejects.toMatchObject({ code: 'HK_MACHINE_UNKNOWN' });
});

test('a damaged machine is removed by force only', async () => {
  const storagePath = temporaryFolder();
  const folder = put(storagePath, 'broken', '{');
  const [broken] = await Machines.open({ storagePath }).list();
  await expect(broken?.remove()).rejects.toMatchObject({ code: 'HK_CONFIG_INVALID' });
  await broken?.remove({ force: true });
  expect(existsSync(folder)).toBe(false);
});

test.each([
  ['a name', 'a b', {}, 'HK_USAGE'],
  ['too little memory', 'dev', { memoryMiB: 1 }, 'HK_FLAG_INVALID'],
  ['an address', 'dev', { bindAddress: 'everywhere' }, 'HK_FLAG_INVALID'],
  ['a port', 'dev', { hostPorts: [0] }, 'HK_FLAG_INVALID'],
  ['a storage driver', 'dev', { docker: { storageDriver: 'a b' } }, 'HK_USAGE'],
  ['an ISO that is not there', 'dev', { iso: '/none.iso', accelerator: 'tcg' }, 'HK_ISO_UNREADABLE'],
] as const)('refused before anything exists: %s', async (_title, name, options, code) => {
  const storagePath = temporaryFolder();
  const machines = Machines.open({ storagePath });
  const progress: CreateProgress[] = [];
  const creating = machines.create(name, options, { onProgress: (step) => progress.push(step) });
  await expect(creating).rejects.toMatchObject({ code });
  expect(progress[0]).toEqual({ machine: name, phase: 'check', text: undefined });
  expect(await machines.list()).toEqual([]);
});

test('a create that is aborted rejects with the reason and leaves nothing', async () => {
  const storagePath = temporaryFolder();
  const machines = Machines.open({ storagePath });
  const reason = new Error('no longer wanted');
  await expect(machines.create('dev', {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(readdirSync(storagePath)).toEqual([]);
});
