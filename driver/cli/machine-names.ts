import { DriverError } from '../errors';

/** What docker-machine works on when it is given no name. */
const DEFAULT_NAME = 'default';

/** The machines a verb was given; none means docker-machine's `default`. */
export function machineNames(operands: readonly string[]): readonly string[] {
  return operands.length === 0 ? [DEFAULT_NAME] : [...new Set(operands)];
}

/** The same for a verb that works on one machine only. @throws DriverError HK_USAGE */
export function oneMachineName(verb: string, operands: readonly string[]): string {
  const [name = DEFAULT_NAME, ...more] = operands;
  if (more.length > 0)
    throw new DriverError(
      'HK_USAGE',
      `"hyperkit ${verb}" works on one machine at a time, not on ${operands.join(', ')}`,
    );
  return name;
}

/** The same for a verb that guesses nothing. @throws DriverError HK_USAGE when no name is given */
export function namedMachines(verb: string, operands: readonly string[]): readonly string[] {
  if (operands.length > 0) return [...new Set(operands)];
  throw new DriverError('HK_USAGE', `"hyperkit ${verb}" needs the name of a machine; "hyperkit ls" lists them`);
}

/** The swarm that a verb works on. @throws DriverError HK_USAGE when it is given several, or none and there is no default */
export function oneSwarmName(verb: string, operands: readonly string[], otherwise?: string): string {
  return oneNameOf('swarm', verb, operands, otherwise);
}

/** The same of a pool. */
export function onePoolName(verb: string, operands: readonly string[], otherwise?: string): string {
  return oneNameOf('pool', verb, operands, otherwise);
}

function oneNameOf(kind: string, verb: string, operands: readonly string[], otherwise: string | undefined): string {
  const [name = otherwise, ...more] = operands;
  if (name !== undefined && more.length === 0) return name;
  throw new DriverError(
    'HK_USAGE',
    `"hyperkit ${verb}" needs the name of one ${kind}; "hyperkit ${kind} ls" lists them`,
  );
}
