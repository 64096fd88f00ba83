import yargs, { type Argv } from 'yargs';
import { DriverError } from '../errors';
import type { Command, OptionTable } from './command';

/** Options of every verb. `-s` is docker-machine's; before the verb it would be HyperKit's PCI slot. */
export const COMMON_OPTIONS = {
  'storage-path': {
    alias: 's',
    type: 'string',
    describe: 'folder of the machines; default $MACHINE_STORAGE_PATH, then ~/.docker/machine',
  },
  json: { type: 'boolean', default: false, describe: 'one JSON document on stdout, errors as JSON on stderr' },
  quiet: { alias: 'q', type: 'boolean', default: false, describe: 'no progress; lists show names only' },
  debug: { alias: 'D', type: 'boolean', default: false, describe: "show the driver's debug lines" },
} as const satisfies OptionTable;

/** Help is no wider than people read. */
const HELP_WIDTH = 110;

export interface ParsedLine {
  /** What a verb's `run` takes, and the common options. */
  readonly args: unknown;
  readonly common: {
    readonly storagePath: string | undefined;
    readonly json: boolean;
    readonly quiet: boolean;
    readonly debug: boolean;
  };
}

/**
 * Reads the words after a verb.
 * @throws DriverError HK_USAGE for unknown options and values of a wrong kind.
 */
export function parseCommandLine(verb: string, command: Command, words: readonly string[]): ParsedLine {
  const parsed = describeLine(verb, command).parseSync([...words]);
  const { _: operands, ...given } = parsed as Record<string, unknown> & { readonly _: readonly (string | number)[] };
  const options = lastOfEach(given, command.options);
  return {
    args: { ...options, operands: operands.map(String) },
    common: {
      storagePath: options['storage-path'] as string | undefined,
      json: options['json'] === true,
      quiet: options['quiet'] === true,
      debug: options['debug'] === true,
    },
  };
}

/** Given twice, an option that takes one value has the last; yargs makes a list. */
function lastOfEach(given: Readonly<Record<string, unknown>>, table: OptionTable): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const isList = table[name]?.type === 'array' || table[name]?.array === true;
      return [name, Array.isArray(value) && !isList ? value.at(-1) : value];
    }),
  );
}

/** What `--help` prints. */
export async function helpOf(verb: string, command: Command): Promise<string> {
  return await describeLine(verb, command).getHelp();
}

function describeLine(verb: string, command: Command): Argv {
  const options: OptionTable = { ...command.options, ...COMMON_OPTIONS };
  const withValue = Object.keys(options).filter((name) => options[name]?.type !== 'boolean');
  return yargs()
    .scriptName(`hyperkit ${verb}`)
    .usage(`hyperkit ${verb} ${command.usage}\n\n${command.describe}`)
    .parserConfiguration({
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'duplicate-arguments-array': true,
      'greedy-arrays': false,
      'strip-aliased': true,
      'halt-at-non-option': command.endsAtOperand ?? false,
      'boolean-negation': false,
      'dot-notation': false,
    })
    .options(options)
    .requiresArg(withValue)
    .wrap(Math.min(process.stdout.columns ?? HELP_WIDTH, HELP_WIDTH))
    .strictOptions()
    .help(false)
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      throw new DriverError('HK_USAGE', `${message || error.message}; "hyperkit ${verb} --help" shows what there is`);
    });
}
