import path from 'node:path';
import { checkHost } from '../../doctor/check-host';
import { checkHypervisors } from '../../doctor/check-hypervisors';
import { checkImages } from '../../doctor/check-images';
import { checkPools } from '../../doctor/check-pools';
import { checkStore } from '../../doctor/check-store';
import { checkSwarms } from '../../doctor/check-swarms';
import { checkWarm } from '../../doctor/check-warm';
import type { Finding } from '../../doctor/finding';
import { defineCommand } from '../command';
import type { CommandOutput } from '../command-output';
import { EXIT } from '../exit-status';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red', fixed: 'green' } as const;

/** A finding after `--fix` was tried. */
interface Result extends Omit<Finding, 'level' | 'fix'> {
  readonly level: Finding['level'] | 'fixed';
  /** `--fix` would mend it. */
  readonly fixable: boolean;
}

export const doctor = defineCommand({
  usage: '[options]',
  describe: 'Looks at everything that machines need: what was measured, and the command that mends what is amiss.',
  options: {
    fix: { type: 'boolean', default: false, describe: 'mend what can be mended without harm' },
  },
  async run({ fix }, { output, programsDir, store }) {
    const groups = await Promise.all([
      checkHypervisors(path.join(programsDir, 'hyperkit-machine.cjs')),
      checkHost(store.path),
      checkImages(store.path),
      checkWarm(),
      checkStore(store),
      checkSwarms(store, programsDir),
      checkPools(store),
    ]);
    const results: Result[] = [];
    for (const finding of groups.flat()) results.push(fix ? await tryFix(finding) : toResult(finding));
    const healthy = results.every(({ level }) => level !== 'fail');
    if (output.style.json) output.json({ healthy, findings: results });
    else print(results, output);
    return healthy ? EXIT.ok : EXIT.failed;
  },
});

function toResult({ fix, ...finding }: Finding): Result {
  return { ...finding, fixable: fix !== undefined };
}

async function tryFix(finding: Finding): Promise<Result> {
  if (finding.fix === undefined) return toResult(finding);
  try {
    await finding.fix();
    const { subject, text } = finding;
    return { subject, level: 'fixed', text, fixable: true };
  } catch (error) {
    return { ...toResult(finding), text: `${finding.text}; --fix could not: ${(error as Error).message}` };
  }
}

function print(results: readonly Result[], output: CommandOutput): void {
  for (const { level, subject, text, mend } of results) {
    if (output.style.quiet && (level === 'ok' || level === 'fixed')) continue;
    output.print(`${output.colour(COLOURS[level], level.padEnd(5))}  ${subject}: ${text}`);
    if (mend !== undefined) output.print(`         ${mend}`);
  }
  if (results.some(({ fixable, level }) => fixable && level !== 'fixed')) {
    output.say('"hyperkit doctor --fix" mends some of it.');
  }
}
