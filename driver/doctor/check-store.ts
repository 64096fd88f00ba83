import { existsSync } from 'node:fs';
import path from 'node:path';
import { cleanState, listLeftovers } from '../../engine/machine/control';
import { MACHINE_FILES } from '../../engine/machine/machine-files';
import { readMachineStatus } from '../../engine/machine/state';
import { DRIVER_NAME } from '../contract/driver-name';
import { findLockHolder, lockMachine } from '../lifecycle/machine-lock';
import { configPath, readMachineDocument } from '../store/config-file';
import type { MachineStore } from '../store/machine-store';
import { findAbandoned, removeAbandoned } from './abandoned-files';
import type { Finding } from './finding';

/** Every machine of the store: whether it can be read, and what crashes have left behind. */
export async function checkStore(store: MachineStore): Promise<readonly Finding[]> {
  const names = store.list();
  const findings = await Promise.all(names.map(async (name) => await checkMachine(store, name)));
  const abandoned = checkAbandoned('cache', path.join(store.path, 'cache'));
  const troubles = [...findings.flat(), ...abandoned];
  const count = `${names.length} machine${names.length === 1 ? '' : 's'}`;
  return troubles.length > 0
    ? troubles
    : [{ subject: 'store', level: 'ok', text: `${count} in ${store.path}, nothing amiss` }];
}

async function checkMachine(store: MachineStore, name: string): Promise<readonly Finding[]> {
  const folder = store.folderOf(name);
  const subject = `machine ${name}`;
  const lock = path.join(folder, 'hyperkit.lock');
  const holder = await findLockHolder(lock);
  // A command is at work here: what looks left over may be its own.
  if (holder === 'alive') return [];
  const config = checkConfig(subject, name, folder);
  if (config === 'foreign') return [];
  const findings: Finding[] = [...config, ...(await checkProcesses(subject, name, folder))];
  if (holder === 'gone') {
    const fix = async (): Promise<void> =>
      await (await lockMachine({ directory: folder, lock }, name, 'doctor --fix')).release();
    findings.push({ subject, level: 'warn', text: 'its lock is of a command that is gone', mend: `rm ${lock}`, fix });
  }
  return [...findings, ...checkAbandoned(subject, folder)];
}

function checkConfig(subject: string, name: string, folder: string): readonly Finding[] | 'foreign' {
  const mend = `hyperkit rm -f ${name}`;
  try {
    return readMachineDocument(name, folder)['DriverName'] === DRIVER_NAME ? [] : 'foreign';
  } catch (error) {
    if (existsSync(configPath(folder))) return [{ subject, level: 'fail', text: (error as Error).message, mend }];
    return [{ subject, level: 'warn', text: 'its creation was cut off: it has no config.json', mend }];
  }
}

async function checkProcesses(subject: string, name: string, folder: string): Promise<readonly Finding[]> {
  if ((await readMachineStatus(folder)).state !== 'stopped') return [];
  const alive = await listLeftovers(folder);
  if (alive.length > 0) {
    const text = `its machine process is gone, but ${alive.map(({ pid }) => pid).join(', ')} of it still runs`;
    return [{ subject, level: 'fail', text, mend: `hyperkit kill ${name}` }];
  }
  const stale = [MACHINE_FILES.pid, MACHINE_FILES.consoleSocket].filter((file) => existsSync(path.join(folder, file)));
  if (stale.length === 0) return [];
  const files = stale.map((file) => path.join(folder, file));
  const text = `it does not run, but has ${stale.join(' and ')} of a process that is gone`;
  return [{ subject, level: 'warn', text, mend: `rm ${files.join(' ')}`, fix: async () => await cleanState(folder) }];
}

function checkAbandoned(subject: string, folder: string): readonly Finding[] {
  const files = findAbandoned(folder);
  if (files.length === 0) return [];
  const text = `${files.length} unfinished file${files.length === 1 ? '' : 's'} of a command that is gone`;
  const mend = `rm ${files.join(' ')}`;
  return [{ subject, level: 'warn', text, mend, fix: async () => removeAbandoned(folder) }];
}
