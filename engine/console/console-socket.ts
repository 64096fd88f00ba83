import { closeSync, constants, openSync } from 'node:fs';
import path from 'node:path';
import { MACHINE_FILES } from '../machine/machine-files';
import { MAX_SOCKET_PATH_BYTES } from '../net/endpoint-text';

const { consoleSocket: NAME } = MACHINE_FILES;

/** A name under which the socket can be bound and connected to, until `release`. */
export interface SocketName {
  readonly path: string;
  release(): void;
}

/**
 * The console socket of a state folder. Socket paths are short (unix(7): 108 bytes) and stores lie deep sometimes; on
 * Linux a folder has a short name by its descriptor. Errors of the file system pass through.
 */
export function consoleSocketName(stateDir: string): SocketName {
  const plain = path.join(stateDir, NAME);
  if (process.platform !== 'linux' || Buffer.byteLength(plain) <= MAX_SOCKET_PATH_BYTES) {
    return { path: plain, release: () => undefined };
  }
  const folder = openSync(stateDir, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${folder}/${NAME}`, release: () => closeSync(folder) };
}
