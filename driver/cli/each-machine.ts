import type { CommandContext } from './command';
import { EXIT, exitStatusOf } from './exit-status';
import { describeFailure, printFailure } from './failure';
import { Progress } from './progress';

/** What a verb tells programs about one machine. */
export type MachineResult = Readonly<Record<string, unknown>>;

type MachineWork = (name: string, progress: Progress) => Promise<MachineResult>;

/**
 * Does the same with several machines at once, at most `parallel` of them at a time, and tells programs what came of it.
 * One that fails does not keep the others from being done; the status is that of the first failure.
 */
export async function forEachMachine(
  context: CommandContext,
  names: readonly string[],
  work: MachineWork,
  parallel = names.length,
): Promise<number> {
  const { status, results } = await workOnMachines(context, names, work, parallel);
  if (context.output.style.json) context.output.json(results);
  return status;
}

/** The same for a verb that has more to tell. */
export async function workOnMachines(
  { output }: CommandContext,
  names: readonly string[],
  work: MachineWork,
  parallel: number,
): Promise<{ readonly status: number; readonly results: readonly MachineResult[] }> {
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
  return { status, results };
}
