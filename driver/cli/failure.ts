import { types } from 'node:util';
import { type CommandOutput, printable } from './command-output';

/** A failure as programs read it. */
export interface FailureRecord {
  /** HK_… of docs/errors.md, or the system's own; absent for a fault of ours. */
  readonly code?: string;
  readonly message: string;
}

export function describeFailure(error: unknown): FailureRecord {
  if (!types.isNativeError(error)) return { message: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  return { ...(typeof code === 'string' ? { code } : {}), message: error.message };
}

/** Says what failed on stderr: one line that says what, why and what to do, then details if there are any. */
export function printFailure(output: CommandOutput, error: unknown): void {
  const failure = describeFailure(error);
  if (output.style.json) {
    output.stderr.write(`${JSON.stringify({ error: failure })}\n`);
    return;
  }
  output.stderr.write(`${output.colour('red', 'hyperkit:')} ${printable(failure.message)}\n`);
  // Without a code nobody meant to throw it, so the place matters.
  if (failure.code === undefined && types.isNativeError(error) && error.stack !== undefined) {
    output.stderr.write(`${error.stack}\n`);
  }
}
