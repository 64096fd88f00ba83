import path from 'node:path';
import { runHyperkit } from '../../engine/hyperkit/run-hyperkit';
import { printHyperkitVersion } from './version';

/** Runs `hyperkit` with HyperKit's own options, and ends this process as HyperKit would. */
export async function runHyperkitOptions(words: readonly string[], programsDir: string): Promise<void> {
  const name = path.basename(process.argv[1] ?? 'hyperkit').replace(/\.cjs$/, '');
  const end = await runHyperkit(words, { name, programsDir, printVersion: printHyperkitVersion });
  if (typeof end === 'number') process.exitCode = end;
  else process.kill(process.pid, end);
}
