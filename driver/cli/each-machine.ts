import type { CommandContext } from './command';
import { EXIT, exitStatusOf } from './exit-status';
import { describeFailure, printFailure } from './failure';
import { Progress } from './progress';

/** What a verb tells programs about one machine. */
export type MachineResult = Readonly<Record<string, unknown>>;

/**
 * Does the same with several machines at once, at most `parallel` of them at a time. One that fails does not keep the
 * others from being done; the status is that of the first failure.
 */
export async function forEachMachine(
  { output }: CommandContext,
  names: readonly string[],
  work: (name: string, progress: Progress) => Promise<MachineResult>,
  parallel = names.length,
): Promise<number> {
  const results: MachineResult[] = names.map((name) => ({ name }));
  let status: number = EXIT.ok;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < names.length; index = next++) {
      const name = names[index] ?? '';
      const progress = new Progress(output, name, names.length === 1);
      output.redirect(name, (line) => progress.hear(line));
      try {
        results[index] = { name, ...(await work(name, progress)) };
        progress.done();
      } catch (error) {
        progress.failed();
        printFailure(output, error);
        results[index] = { name, error: describeFailure(error) };
        if (status === EXIT.ok) status = exitStatusOf(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, names.length) }, worker));
  if (output.style.json) output.json(results);
  return status;
}
