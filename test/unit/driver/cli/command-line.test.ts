import fc from 'fast-check';
import { parseCommandLine } from '../../../../driver/cli/command-line';
import { COMMANDS } from '../../../../driver/cli/command-table';

/** A later word is an option of every verb, and says what the verb has by default. */
const SPOKEN_DEFAULT = '--debug=false';
const operands = fc.array(fc.string().filter((word) => !word.startsWith('-')));

test.each(COMMANDS.map(({ verb, load }) => ({ verb, load })))(
  '$verb: a line without options, which is read without yargs, means what yargs makes of it',
  async ({ verb, load }) => {
    const command = await load();
    await fc.assert(
      fc.asyncProperty(operands, async (words) => {
        const read = await parseCommandLine(verb, command, [SPOKEN_DEFAULT, ...words]);
        expect(await parseCommandLine(verb, command, words)).toEqual(read);
      }),
      { numRuns: 20 },
    );
  },
);
