import { MachineStore } from '../store/machine-store';
import { resolveStoragePath } from '../store/storage-path';
import type { CommandContext, CommandEntry } from './command';
import { helpOf, parseCommandLine } from './command-line';
import { CommandOutput, chooseStyle } from './command-output';
import { EXIT, exitStatusOf } from './exit-status';
import { printFailure } from './failure';
import { Interruption } from './interruption';

/** Runs one verb to its exit status; whatever it fails with is said here. */
export async function runCommand(
  entry: CommandEntry,
  words: readonly string[],
  { commands, programsDir }: Pick<CommandContext, 'commands' | 'programsDir'>,
): Promise<number> {
  const surroundings = { isTerminal: process.stderr.isTTY, env: process.env };
  // Until the line is understood, what it may have asked for decides how its faults are told.
  let output = new CommandOutput(
    chooseStyle({ json: words.includes('--json'), quiet: false, debug: false }, surroundings),
  );
  const interruption = new Interruption();
  try {
    const command = await entry.load();
    if (asksForHelp(words, command.endsAtOperand ?? false)) {
      output.print(await helpOf(entry.verb, command));
      return EXIT.ok;
    }
    const { args, common } = await parseCommandLine(entry.verb, command, words);
    output = new CommandOutput(chooseStyle(common, surroundings));
    const store = new MachineStore({
      path: resolveStoragePath(common.storagePath),
      programsDir,
      loggerOf: (name) => output.loggerOf(name),
    });
    const context: CommandContext = {
      store,
      output,
      programsDir,
      commands,
      get signal() {
        return interruption.signal;
      },
    };
    return (await command.run(args, context)) ?? EXIT.ok;
  } catch (error) {
    printFailure(output, error);
    return exitStatusOf(error);
  } finally {
    interruption.close();
  }
}

/** Behind `--`, and behind another program's first word, it is not ours. */
function asksForHelp(words: readonly string[], endsAtOperand: boolean): boolean {
  for (const word of words) {
    if (word === '--help' || word === '-h') return true;
    if (word === '--' || (endsAtOperand && !word.startsWith('-'))) return false;
  }
  return false;
}
