import { parseCInteger } from './c-number';
import { EXIT_USAGE, HyperkitUsageError } from './usage-error';

const MEBIBYTE = 1024 * 1024;
const UNITS = 'bkmgtpe';

/**
 * `-m`: a number with one of b, k, m, g, t, p, e (powers of 1024, either case). Without one, below 1 Mi it counts
 * megabytes, else bytes. HyperKit ignores what follows the letter; here `MB` and `MiB` are taken and nothing else.
 * @throws HyperkitUsageError with status 64
 */
export function parseMemorySize(text: string): number {
  const [, digits = '', unit] = /^(0x[0-9a-f]+|\d+)(?:([bkmgtpe])(?:i?b)?)?$/i.exec(text) ?? [];
  const number = parseCInteger(digits);
  if (number !== undefined) {
    const bytes = unit === undefined ? withoutUnit(number) : number * 1024 ** UNITS.indexOf(unit.toLowerCase());
    if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  }
  throw new HyperkitUsageError(`invalid memsize '${text}'`, EXIT_USAGE);
}

function withoutUnit(number: number): number {
  return number < MEBIBYTE ? number * MEBIBYTE : number;
}
