import { DriverError } from '../errors';
import { checkMachineName } from '../store/machine-name';
import type { SwarmRecord } from './swarm-record';

/** More managers make a swarm slower and not safer; Docker's own documentation says seven. */
const MAX_MANAGERS = 7;
/** A swarm's network has 252 addresses for machines. */
const MAX_WORKERS = 200;

/**
 * Names of the machines of a new swarm: NAME-manager-1, …, NAME-worker-1, …
 * @throws DriverError HK_USAGE
 */
export function planSwarm(name: string, counts: { readonly managers: number; readonly workers: number }): SwarmRecord {
  check('managers', counts.managers, 1, MAX_MANAGERS);
  check('workers', counts.workers, 0, MAX_WORKERS);
  const names = (role: string, count: number): readonly string[] =>
    Array.from({ length: count }, (_, index) => checkMachineName(`${name}-${role}-${index + 1}`));
  return { managers: names('manager', counts.managers), workers: names('worker', counts.workers) };
}

/**
 * Labels of nodes, `key=value` each; the value may be missing, as with Docker.
 * @throws DriverError HK_USAGE
 */
export function readNodeLabels(words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    words.map((word) => {
      const [, key = '', value = ''] = /^([^=\s]+)(?:=([^\r\n\0]*))?$/.exec(word) ?? [];
      if (key === '') throw new DriverError('HK_USAGE', `cannot use --label=${word}: it must be key=value on one line`);
      return [key, value];
    }),
  );
}

function check(option: string, count: number, least: number, most: number): void {
  if (Number.isInteger(count) && count >= least && count <= most) return;
  throw new DriverError('HK_USAGE', `cannot use --${option}: it must be a whole number from ${least} to ${most}`);
}
