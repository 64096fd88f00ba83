import { isMachineName } from '../store/machine-name';

/** Where something is copied from or to; `machine` is undefined for this computer. */
export interface Location {
  readonly machine: string | undefined;
  readonly path: string;
}

/**
 * Reads `NAME:path`, scp's spelling: a colon behind a slash is part of a local path, `./a:b` is local. Without a path it
 * is the home folder, which relative paths and `~/` begin at.
 */
export function parseLocation(text: string): Location {
  const colon = text.indexOf(':');
  const name = text.slice(0, Math.max(0, colon));
  if (!isMachineName(name)) return { machine: undefined, path: text };
  const path = text.slice(colon + 1).replace(/^~(\/+|$)/, '');
  return { machine: name, path: path === '' ? '.' : path };
}
