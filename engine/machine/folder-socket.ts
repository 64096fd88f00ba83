import { closeSync, constants, openSync } from 'node:fs';
import path from 'node:path';
import { socketPathFault } from '../net/endpoint-text';

/** A name by which a socket can be bound and connected to, until `release`. */
export interface SocketName {
  readonly path: string;
  release(): void;
}

/**
 * A name for the socket `name` of a machine's folder that is short enough for a socket's address (unix(7): 108 bytes),
 * whatever the folder's is: Linux lets us go by a descriptor of the folder. Errors of the file system pass through.
 */
export function nameSocket(folder: string, name: string): SocketName {
  const plain = path.join(folder, name);
  if (process.platform !== 'linux' || socketPathFault(plain) === undefined) {
    return { path: plain, release: () => undefined };
  }
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${fd}/${name}`, release: () => closeSync(fd) };
}
