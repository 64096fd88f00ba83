import { HyperkitUsageError } from './usage-error';

/** What a text holds before a separator and after it; undefined: there is none. */
export function splitOnce(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/**
 * Reads `name=value,name=value`. Of a name that comes twice the last value counts.
 * @throws HyperkitUsageError for any other name.
 */
export function parseSettings<Name extends string>(
  config: string | undefined,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const settings: Partial<Record<Name, string>> = {};
  for (const element of config === undefined ? [] : config.split(',')) {
    const [key, value] = splitOnce(element, '=');
    const name = names.find((candidate) => candidate === key);
    if (name === undefined || value === undefined) throw new HyperkitUsageError(`invalid option: ${element}`);
    settings[name] = value;
  }
  return settings;
}
