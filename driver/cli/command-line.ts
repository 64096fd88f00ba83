import type { Argv } from 'yargs';
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
export async function parseCommandLine(verb: string, command: Command, words: readonly string[]): Promise<ParsedLine> {
  // Loading yargs is a good part of a short command's time, and operands need none of it.
  const hasOptions = words.some((word) => word.startsWith('-'));
  const { operands, options } = hasOptions ? await parseOptions(verb, command, words) : assumeDefaults(command, words);
  return {
    args: { ...options, operands },
    common: {
      storagePath: options['storage-path'] as string | undefined,
      json: options['json'] === true,
      quiet: options['quiet'] === true,
      debug: options['debug'] === true,
    },
  };
}

interface ParsedWords {
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

async function parseOptions(verb: string, command: Command, words: readonly string[]): Promise<ParsedWords> {
  const parsed = (await describeLine(verb, command)).parseSync([...words]);
  const { _: operands, $0: _program, ...given } = parsed;
  return { operands: operands.map(String), options: lastOfEach(given, command.options) };
}

/** What yargs makes of a line without options. */
function assumeDefaults(command: Command, operands: readonly string[]): ParsedWords {
  const withDefault = Object.entries(optionsOf(command)).filter(([, option]) => 'default' in option);
  return { operands, options: Object.fromEntries(withDefault.map(([name, option]) => [name, option.default])) };
}

function optionsOf(command: Command): OptionTable {
  return { ...command.options, ...COMMON_OPTIONS };
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
  return await (await describeLine(verb, command)).getHelp();
}

async function describeLine(verb: string, command: Command): Promise<Argv> {
  const { default: yargs } = await import('yargs');
  const options = optionsOf(command);
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
