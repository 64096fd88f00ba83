import type { InferredOptionTypes, Options } from 'yargs';
import type { MachineStore } from '../store/machine-store';
import type { CommandOutput } from './command-output';

/** Options of a verb by name, as yargs takes them; help, completion and the reference are made of them. */
export type OptionTable = Readonly<Record<string, Options>>;

/** What every verb works with. */
export interface CommandContext {
  readonly store: MachineStore;
  readonly output: CommandOutput;
  /** Folder of the built programs. */
  readonly programsDir: string;
  /** Every verb that there is, for those that tell about the others. */
  readonly commands: readonly CommandEntry[];
  /**
   * Aborted by Ctrl-C, SIGTERM and SIGHUP: undo what cannot stay, and return soon. Whoever asks for it takes signals
   * over; a verb that does not is ended by the first.
   */
  readonly signal: AbortSignal;
}

/** Everything on the command line that is no option, in order. */
export interface Operands {
  readonly operands: readonly string[];
}

/** One verb of `hyperkit`. */
export interface Command {
  /** What follows the verb in its help: `[machine..]`. */
  readonly usage: string;
  readonly describe: string;
  readonly options: OptionTable;
  /** Options end at the first operand: what follows are another program's words (`ssh dev ls -l`). */
  readonly endsAtOperand?: boolean;
  /** Answers the exit status; nothing means 0. Throws what it fails with. */
  run(args: unknown, context: CommandContext): Promise<number | undefined>;
}

/** A verb whose `run` gets its options with their types. */
export function defineCommand<O extends OptionTable>(command: {
  readonly usage: string;
  readonly describe: string;
  readonly options: O;
  readonly endsAtOperand?: boolean;
  run(args: InferredOptionTypes<O> & Operands, context: CommandContext): Promise<number | undefined>;
}): Command {
  // yargs has checked the arguments against these very options.
  return command as Command;
}

/** A verb before its code is loaded. */
export interface CommandEntry {
  /** One word, or two: `image ls`. */
  readonly verb: string;
  /** The line in `hyperkit --help`. */
  readonly summary: string;
  load(): Promise<Command>;
}
