import { DriverError } from '../../errors';
import { defineCommand } from '../command';
import { COMMON_OPTIONS } from '../command-line';
import { COMPLETED_SHELLS, type CompletedVerb } from '../completion-script';

export const completion = defineCommand({
  usage: Object.keys(COMPLETED_SHELLS).join('|'),
  describe:
    'Prints a completion script, made from the verbs and options that there are: eval "$(hyperkit completion bash)"',
  options: {},
  async run({ operands }, { output, commands }) {
    const [shell = ''] = operands;
    const script = Object.entries(COMPLETED_SHELLS).find(([name]) => name === shell)?.[1];
    if (script === undefined) {
      throw new DriverError(
        'HK_USAGE',
        `cannot write completion for "${shell}": it must be one of ${Object.keys(COMPLETED_SHELLS).join(', ')}`,
      );
    }
    const verbs = await Promise.all(
      commands.map(async ({ verb, summary, load }): Promise<CompletedVerb> => {
        const { usage, options } = await load();
        return { verb, summary, options: { ...options, ...COMMON_OPTIONS }, takesMachines: usage.includes('machine') };
      }),
    );
    output.print(script(verbs));
    return undefined;
  },
});
