import type { CreateFlag, FlagValues } from '../contract/create-flags';
import { HYPERKIT_FLAGS } from '../contract/hyperkit-flags';
import type { OptionTable } from './command';

const PREFIX = 'hyperkit-';

/**
 * The driver's flags as options of `create`: `--memory-size`, and docker-machine's `--hyperkit-memory-size` for whoever
 * brings a command line along. Both say what HYPERKIT_MEMORY_SIZE says when they are not given.
 */
export function driverOptions(env: NodeJS.ProcessEnv = process.env): OptionTable {
  return Object.fromEntries(
    HYPERKIT_FLAGS.map((flag) => [
      flag.name.slice(PREFIX.length),
      {
        alias: flag.name,
        describe: `${flag.usage} [$${flag.envVar}]`,
        ...(flag.kind === 'slice'
          ? { type: 'array', string: true }
          : { type: flag.kind === 'bool' ? 'boolean' : 'string' }),
        default: defaultOf(flag, env),
      } as const,
    ]),
  );
}

/** What the options say, as docker-machine would send it to the plugin. A number that is none is refused by the driver. */
export function driverFlagValues(args: object): FlagValues {
  const given = args as Readonly<Record<string, unknown>>;
  return new Map(
    HYPERKIT_FLAGS.map((flag) => {
      const value = given[flag.name.slice(PREFIX.length)] as string | boolean | readonly string[];
      const isNumber = flag.kind === 'int' && typeof value === 'string' && /^-?\d{1,15}$/.test(value);
      return [flag.name, isNumber ? Number(value) : value];
    }),
  );
}

function defaultOf(flag: CreateFlag, env: NodeJS.ProcessEnv): string | boolean | string[] {
  const fromEnv = env[flag.envVar] ?? '';
  switch (flag.kind) {
    case 'slice':
      return fromEnv === '' ? [...flag.value] : [fromEnv];
    case 'bool':
      return fromEnv !== '';
    case 'string':
    case 'int':
      return fromEnv === '' ? String(flag.value) : fromEnv;
  }
}
