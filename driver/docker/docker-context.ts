import { createHash } from 'node:crypto';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { parseJsonObject } from '../../engine/json-object';
import { replaceFile } from '../../engine/storage/atomic-file';
import { readSmallFile } from '../../engine/storage/small-file';
import { DriverError } from '../errors';
import { guardStore } from '../iso/store-error';

const MAX_BYTES = 1024 * 1024;

/** The key in a context's metadata that says whose machine it belongs to; the docker command keeps keys it does not know. */
const STORE_KEY = 'hyperkitStore';

/** Where the docker command keeps a context: `contexts/meta/ID/meta.json` and `contexts/tls/ID/docker/`, ID being the name's SHA-256. */
function contextFolders(name: string): { readonly meta: string; readonly tls: string } {
  const { DOCKER_CONFIG: config = '' } = process.env;
  const base = path.join(config === '' ? path.join(homedir(), '.docker') : config, 'contexts');
  const id = createHash('sha256').update(name).digest('hex');
  return { meta: path.join(base, 'meta', id), tls: path.join(base, 'tls', id) };
}

/** The store whose machine a context belongs to; '' for one that somebody else made, undefined when there is none. */
function ownerOf(name: string): string | undefined {
  const reading = readSmallFile(path.join(contextFolders(name).meta, 'meta.json'), MAX_BYTES);
  if ('problem' in reading) return reading.code === 'ENOENT' ? undefined : '';
  const metadata = parseJsonObject(reading.text)?.['Metadata'];
  const owner =
    typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>)[STORE_KEY] : '';
  return typeof owner === 'string' ? owner : '';
}

/** @throws DriverError HK_USAGE when a context of that name is somebody else's, or the docker command would not take the name */
export function checkContextName(name: string): void {
  if (name === 'default' || name.length < 2) {
    throw new DriverError(
      'HK_USAGE',
      `cannot make a docker context "${name}": the docker command does not take that name; leave --docker-context out`,
    );
  }
  if (ownerOf(name) === '') {
    throw new DriverError(
      'HK_USAGE',
      `cannot make a docker context "${name}": there is one already; remove it with "docker context rm ${name}" or take another name`,
    );
  }
}

/** Makes the context by which the docker command reaches a machine. Takes the client's certificates from the machine's folder. */
export async function writeDockerContext(
  name: string,
  url: string,
  storePath: string,
  machineFolder: string,
): Promise<void> {
  const { meta, tls } = contextFolders(name);
  const document = {
    Name: name,
    Metadata: { Description: `Machine ${name} of hyperkit`, [STORE_KEY]: storePath },
    Endpoints: { docker: { Host: url, SkipTLSVerify: false } },
  };
  await guardStore(meta, async () => {
    const certificates = path.join(tls, 'docker');
    await mkdir(certificates, { recursive: true, mode: 0o700 });
    for (const file of ['ca.pem', 'cert.pem', 'key.pem']) {
      await copyFile(path.join(machineFolder, file), path.join(certificates, file));
    }
    await mkdir(meta, { recursive: true, mode: 0o755 });
    await replaceFile(
      path.join(meta, 'meta.json'),
      0o644,
      async (file) => await file.writeFile(JSON.stringify(document)),
    );
  });
}

/** Removes the context of a machine of that store; one that somebody else made stays. Answers whether there was one. */
export async function removeDockerContext(name: string, storePath: string): Promise<boolean> {
  if (ownerOf(name) !== storePath) return false;
  const { meta, tls } = contextFolders(name);
  await guardStore(meta, async () => {
    await rm(meta, { recursive: true, force: true });
    await rm(tls, { recursive: true, force: true });
  });
  return true;
}

/** Brings the context of a machine of that store, if it has one, to what its certificates are now. */
export async function refreshDockerContext(
  name: string,
  url: string,
  storePath: string,
  machineFolder: string,
): Promise<void> {
  if (ownerOf(name) === storePath) await writeDockerContext(name, url, storePath, machineFolder);
}
