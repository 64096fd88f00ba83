import type { CommandEntry } from './command';
import { COMMANDS } from './command-table';
import { EXIT } from './exit-status';

/** Runs `hyperkit` with words: finds the verb, and says what there is when there is none of that name. Answers the exit status. */
export async function runWords(words: readonly string[], programsDir: string): Promise<number> {
  const { before, rest: given } = splitCommonOptions(words);
  const rest = spelledOut(given);
  const [first] = rest;
  if (first === undefined || first === '--help' || first === 'help') {
    process[first === undefined ? 'stderr' : 'stdout'].write(helpText());
    return first === undefined ? EXIT.usage : EXIT.ok;
  }
  const found = findCommand(rest);
  if (found === undefined) {
    process.stderr.write(`hyperkit: there is no verb "${first}"; "hyperkit --help" lists them\n`);
    return EXIT.usage;
  }
  const { runCommand } = await import('./run-command');
  return await runCommand(found, [...before, ...rest.slice(found.verb.split(' ').length)], {
    commands: COMMANDS,
    programsDir,
  });
}

/** Long common options may stand before the verb, as docker-machine has them. */
function splitCommonOptions(words: readonly string[]): {
  readonly before: readonly string[];
  readonly rest: readonly string[];
} {
  let end = 0;
  for (;;) {
    const word = words[end] ?? '';
    if (word === '--storage-path') end += 2;
    else if (/^--(storage-path=.*|json|quiet|debug)$/s.test(word)) end += 1;
    else return { before: words.slice(0, end), rest: words.slice(end) };
  }
}

/** `pool --size 4` is short for `pool run --size 4`. */
function spelledOut(words: readonly string[]): readonly string[] {
  const [first = '', second = ''] = words;
  return first === 'pool' && second.startsWith('--') ? [first, 'run', ...words.slice(1)] : words;
}

function findCommand(words: readonly string[]): CommandEntry | undefined {
  return COMMANDS.find(({ verb }) => {
    const parts = verb.split(' ');
    return parts.every((part, index) => words[index] === part);
  });
}

/** What `hyperkit --help` prints. */
export function helpText(): string {
  const width = Math.max(...COMMANDS.map(({ verb }) => verb.length));
  return [
    'Usage: hyperkit VERB [options] [machine...]   Docker hosts in virtual machines of their own',
    "       hyperkit OPTION...                     one virtual machine in the foreground, HyperKit's options (-h lists them)",
    '',
    ...COMMANDS.map(({ verb, summary }) => `  ${verb.padEnd(width)}  ${summary}`),
    '',
    '"hyperkit VERB --help" shows the options of a verb. The machines are those of docker-machine: either manages both.',
    '',
  ].join('\n');
}
