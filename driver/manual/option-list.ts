import type { OptionTable } from '../cli/command';
import type { ManDefinition } from './man-page';

/** Options as a list of definitions, in the order of their help. */
export function describeOptions(options: OptionTable): readonly ManDefinition[] {
  return Object.entries(options)
    .filter(([, option]) => option.hidden !== true)
    .map(([name, option]) => {
      const names = [...[option.alias ?? []].flat(), name].sort((a, b) => a.length - b.length);
      const value = option.type === 'boolean' ? '' : option.type === 'number' ? ' N' : ' VALUE';
      const text = option.describe ?? '';
      const isList = option.type === 'array' || option.array === true;
      const repeats = isList && !text.includes('repeatable') ? 'repeatable' : '';
      const notes = [describeDefault(option), repeats].filter((note) => note !== '');
      return {
        term: names.map((each) => `${each.length === 1 ? '-' : '--'}${each}${value}`).join(', '),
        text: notes.length === 0 ? text : `${text} (${notes.join('; ')})`,
      };
    });
}

/** What nobody would guess: empty, false and none are not worth a word. */
function describeDefault(option: OptionTable[string]): string {
  const value: unknown = option.defaultDescription ?? option.default;
  const isPlain =
    value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0);
  return isPlain ? '' : `default: ${String(value)}`;
}
