import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseJsonObject } from '../../engine/json-object';
import { socketPathFault } from '../../engine/net/endpoint-text';
import { stopSharedNetwork } from '../../engine/shared-network/control-shared-network';
import { sharedNetworkFiles } from '../../engine/shared-network/shared-network-files';
import { replaceFile } from '../../engine/storage/atomic-file';
import { readSmallFile } from '../../engine/storage/small-file';
import { DriverError } from '../errors';
import { guardStore } from '../iso/store-error';
import { isMachineName } from '../store/machine-name';
import { hasSwarm, swarmFolder } from './swarm-network';

const MAX_BYTES = 1024 * 1024;

/** What `swarm create` made, by names of machines. Docker itself knows who is manager by now. */
export interface SwarmRecord {
  readonly managers: readonly string[];
  readonly workers: readonly string[];
}

/** Names of the store's swarms, sorted. */
export async function listSwarms(storePath: string): Promise<readonly string[]> {
  const folder = path.join(storePath, 'swarms');
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw new DriverError('HK_STORE_UNWRITABLE', `cannot read ${folder}: ${cause.message}`, { cause });
  });
  return entries
    .filter((entry) => entry.isDirectory() && isMachineName(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** @throws DriverError HK_SWARM_UNKNOWN, HK_CONFIG_INVALID when its record is no use */
export function readSwarm(storePath: string, name: string): SwarmRecord {
  if (!hasSwarm(storePath, name)) throw unknownSwarm(name);
  const file = recordPath(storePath, name);
  const reading = readSmallFile(file, MAX_BYTES);
  const { managers, workers } = parseJsonObject('text' in reading ? reading.text : '') ?? {};
  if (areNames(managers) && areNames(workers)) return { managers, workers };
  throw new DriverError(
    'HK_CONFIG_INVALID',
    `cannot use swarm "${name}": ${file} is missing or damaged; "hyperkit swarm rm -f ${name}" removes the swarm with its machines`,
  );
}

/**
 * Takes the name, of several at once one, and writes the record.
 * @throws DriverError HK_SWARM_EXISTS, HK_USAGE, HK_STORE_UNWRITABLE, HK_DISK_FULL
 */
export async function makeSwarm(storePath: string, name: string, record: SwarmRecord): Promise<void> {
  const folder = swarmFolder(storePath, name);
  checkSocket(folder);
  await guardStore(folder, async () => {
    await mkdir(path.dirname(folder), { recursive: true, mode: 0o700 });
    await mkdir(folder, { mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw cause;
      const text = `cannot make swarm "${name}": there is one already; take another name, or "hyperkit swarm rm ${name}"`;
      throw new DriverError('HK_SWARM_EXISTS', text, { cause });
    });
  });
  const file = recordPath(storePath, name);
  const text = `${JSON.stringify(record, undefined, 2)}\n`;
  await guardStore(file, async () => await replaceFile(file, 0o600, async (handle) => await handle.writeFile(text)));
}

/** Ends a swarm's network and deletes all that is of it but its machines. Nothing to delete is fine. */
export async function deleteSwarm(storePath: string, name: string): Promise<void> {
  const folder = swarmFolder(storePath, name);
  await stopSharedNetwork(folder);
  await guardStore(folder, async () => await rm(folder, { recursive: true, force: true }));
}

export function unknownSwarm(name: string): DriverError {
  return new DriverError('HK_SWARM_UNKNOWN', `swarm "${name}" does not exist; "hyperkit swarm ls" lists the swarms`);
}

function checkSocket(folder: string): void {
  const { socket } = sharedNetworkFiles(folder);
  const fault = socketPathFault(socket);
  if (fault === undefined) return;
  throw new DriverError(
    'HK_USAGE',
    `cannot make a swarm in ${folder}: its socket would be ${socket}, and ${fault}; take a shorter --storage-path or name`,
  );
}

function recordPath(storePath: string, name: string): string {
  return path.join(swarmFolder(storePath, name), 'swarm.json');
}

function areNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' && isMachineName(name));
}
