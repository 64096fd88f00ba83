import { DriverError } from '../errors';
import { readEngineWishes } from '../host/host-options';
import type { MachineDocument } from '../store/config-file';

/** What `ls --filter` looks at. */
export interface FilteredMachine {
  readonly name: string;
  readonly driverName: string;
  /** Asked only when a filter wants it. */
  readonly state: () => Promise<string>;
  readonly document: MachineDocument;
}

type Filter = (machine: FilteredMachine) => Promise<boolean>;

const KEYS = ['driver', 'label', 'name', 'state'] as const;

/**
 * Reads `--filter KEY=VALUE` words as docker-machine does: of several with the same key one has to match, of several
 * keys each. `name` is a regular expression, the others are compared without regard to case.
 * @throws DriverError HK_USAGE
 */
export function parseFilters(words: readonly string[]): Filter {
  const byKey = new Map<string, Filter[]>();
  for (const word of words) {
    const [, rawKey, value = ''] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    const key = KEYS.find((candidate) => candidate === rawKey?.toLowerCase());
    if (key === undefined) throw wrong(word, `it must be KEY=VALUE, with one of the keys ${KEYS.join(', ')}`);
    byKey.set(key, [...(byKey.get(key) ?? []), filterBy(key, value, word)]);
  }
  return async (machine) => {
    for (const filters of byKey.values()) {
      const answers = await Promise.all(filters.map((filter) => filter(machine)));
      if (!answers.includes(true)) return false;
    }
    return true;
  };
}

function filterBy(key: (typeof KEYS)[number], value: string, word: string): Filter {
  const same = (text: string): boolean => text.toLowerCase() === value.toLowerCase();
  switch (key) {
    case 'driver':
      return async ({ driverName }) => same(driverName);
    case 'state':
      return async ({ state }) => same(await state());
    case 'label':
      return async ({ document }) => readEngineWishes(document).labels.some(same);
    case 'name': {
      const pattern = parsePattern(value, word);
      return async ({ name }) => pattern.test(name);
    }
  }
}

function parsePattern(value: string, word: string): RegExp {
  try {
    return new RegExp(value);
  } catch (cause) {
    throw wrong(word, `it is no regular expression: ${(cause as Error).message}`);
  }
}

function wrong(word: string, reason: string): DriverError {
  return new DriverError('HK_USAGE', `cannot use --filter ${word}: ${reason}`);
}
