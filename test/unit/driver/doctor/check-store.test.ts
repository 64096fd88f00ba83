import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkStore } from '../../../../driver/doctor/check-store';
import type { Finding } from '../../../../driver/doctor/finding';
import { lockMachine } from '../../../../driver/lifecycle/machine-lock';
import { MachineStore } from '../../../../driver/store/machine-store';
import { temporaryFolder } from '../../../support/temporary-folder';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
let store: MachineStore;
beforeEach(() => {
  store = new MachineStore({ path: temporaryFolder(), programsDir: '/nowhere', loggerOf: () => silent });
});

/** A machine's folder with these files. */
function plant(name: string, files: Readonly<Record<string, string>>): string {
  const folder = store.folderOf(name);
  mkdirSync(folder, { recursive: true });
  const config = { ConfigVersion: 3, DriverName: 'hyperkit', Driver: {}, Name: name };
  const all = { 'config.json': JSON.stringify(config), ...files };
  for (const [file, text] of Object.entries(all)) writeFileSync(path.join(folder, file), text);
  return folder;
}

/** A process that has been and is gone. */
function goneIdentity(): { pid: number; startTime: string; bootId: string } {
  return { pid: spawnSync('true').pid, startTime: '1', bootId: 'another' };
}

async function only(): Promise<Finding> {
  const findings = await checkStore(store);
  expect(findings).toHaveLength(1);
  return findings[0] as Finding;
}

test('a store that is not there, and one with sound machines', async () => {
  expect(await only()).toMatchObject({ level: 'ok', text: expect.stringContaining('0 machines') });
  plant('dev', {});
  plant('other', { 'config.json': JSON.stringify({ ConfigVersion: 3, DriverName: 'virtualbox', Driver: {} }) });
  expect(await only()).toMatchObject({ level: 'ok', text: expect.stringContaining('2 machines') });
});

test('a stale pid and socket are told with the command that removes them, and --fix does', async () => {
  const state = { ...goneIdentity(), state: 'running', startedAt: '', ports: [], resets: 0, children: [] };
  const folder = plant('dev', {
    'hyperkit.pid': String(state.pid),
    'console.sock': '',
    'machine-state.json': JSON.stringify(state),
    'console.log': 'kept',
  });
  const finding = await only();
  expect(finding).toMatchObject({ subject: 'machine dev', level: 'warn' });
  expect(finding.text).toContain('hyperkit.pid and console.sock');
  expect(finding.mend).toBe(`rm ${folder}/hyperkit.pid ${folder}/console.sock`);
  await finding.fix?.();
  expect(readdirSync(folder).sort()).toEqual(['config.json', 'console.log', 'machine-state.json']);
  expect((await only()).level).toBe('ok');
});

test("a dead command's lock can be fixed, a living one's machine is left alone", async () => {
  const folder = plant('dev', { 'hyperkit.lock': JSON.stringify(goneIdentity()), 'hyperkit.pid': '1' });
  const [, lock] = await checkStore(store);
  expect(lock).toMatchObject({ level: 'warn', mend: `rm ${folder}/hyperkit.lock` });
  await lock?.fix?.();
  expect(existsSync(path.join(folder, 'hyperkit.lock'))).toBe(false);
  const held = await lockMachine({ directory: folder, lock: path.join(folder, 'hyperkit.lock') }, 'dev', 'start');
  expect((await only()).level).toBe('ok');
  await held.release();
});

test('a machine without config.json and one with a broken one are told and never touched', async () => {
  mkdirSync(store.folderOf('half'), { recursive: true });
  plant('torn', { 'config.json': '{"ConfigVersion":' });
  const findings = await checkStore(store);
  expect(findings.map(({ subject, level, mend, fix }) => [subject, level, mend, fix])).toEqual([
    ['machine half', 'warn', 'hyperkit rm -f half', undefined],
    ['machine torn', 'fail', 'hyperkit rm -f torn', undefined],
  ]);
});

test('unfinished files of long ago can be fixed; younger ones and others stay', async () => {
  const old = ['.id_rsa.123.0011aabb.tmp', '.machine-state.json.0011223344ff.draft', 'config.json.tmp123'];
  const kept = ['.bashrc', '.id_rsa.123.0011aabc.tmp', 'my.tmp'];
  const folder = plant('dev', Object.fromEntries([...old, ...kept].map((name) => [name, ''])));
  for (const name of [...old, 'my.tmp']) utimesSync(path.join(folder, name), 0, 0);
  const finding = await only();
  expect(finding).toMatchObject({ level: 'warn', text: expect.stringContaining('3 unfinished files') });
  await finding.fix?.();
  expect(readdirSync(folder).sort()).toEqual([...kept, 'config.json'].sort());
  expect(readFileSync(path.join(folder, 'config.json'), 'utf8')).toContain('hyperkit');
});
