import { HyperkitUsageError } from './usage-error';

/** One option of a command line. */
export interface Option {
  readonly letter: string;
  /** Undefined for a letter that takes none. */
  readonly argument: string | undefined;
}

/** Which letters there are. */
export interface OptionLetters {
  readonly plain: string;
  readonly withArgument: string;
  /** Plain ones that swallow the next word unless it begins with a dash. */
  readonly swallowing: string;
}

/**
 * Reads words as getopt(3) of BSD does: letters may be bundled (`-Au`), an argument follows its letter at once or as the
 * next word, whatever it looks like; `--` or the first word that is no option ends them, and the rest is not looked at.
 * Options come one by one, so that the first that decides something (`-h`) is obeyed before a later mistake is seen.
 * @throws HyperkitUsageError for an unknown letter or a missing argument, in getopt's words.
 */
export function* readOptions(words: readonly string[], letters: OptionLetters): Generator<Option, void> {
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (!word.startsWith('-') || word === '-' || word === '--') return;
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] ?? '';
      if (letters.withArgument.includes(letter)) {
        const attached = word.slice(at + 1);
        const argument = attached === '' ? words[++index] : attached;
        if (argument === undefined) throw new HyperkitUsageError(`option requires an argument -- ${letter}`);
        yield { letter, argument };
        break;
      }
      if (!letters.plain.includes(letter)) throw new HyperkitUsageError(`illegal option -- ${letter}`);
      const next = words[index + 1];
      const swallows = letters.swallowing.includes(letter) && at === word.length - 1;
      if (swallows && next !== undefined && !next.startsWith('-')) index++;
      yield { letter, argument: undefined };
    }
  }
}
