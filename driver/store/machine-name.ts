import { DriverError } from '../errors';

/** docker-machine's rule: the name becomes the guest's host name. */
const HOST_NAME = /^[a-zA-Z0-9][a-zA-Z0-9\-.]*$/;

/** The longest host name that Linux takes (HOST_NAME_MAX). */
const MAX_LENGTH = 64;

/**
 * A name for a new machine.
 * @throws DriverError HK_USAGE when it breaks the rule.
 */
export function checkMachineName(name: string): string {
  if (HOST_NAME.test(name) && name.length <= MAX_LENGTH) return name;
  throw new DriverError(
    'HK_USAGE',
    `cannot name a machine "${name}": it must begin with a letter or digit, contain only those and . -, and have at most ${MAX_LENGTH} characters`,
  );
}

/** True for a name that some client may have given a machine, so that it stays inside the store's folder. */
export function isMachineName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9._-]*$/.test(name);
}
