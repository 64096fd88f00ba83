/** Longer strings are rarely the same twice, and the call into native code weighs less on them. */
const MAX_BYTES = 32;
const SLOTS = 512;

/**
 * Short ASCII strings seen lately, found by their bytes: names of methods, fields and flags come again and again, and
 * looking one up is cheaper than making it. A slot holds the last string with its hash, so hostile input only misses.
 */
export class ShortStrings {
  readonly #slots: string[] = new Array<string>(SLOTS).fill('');

  /** The string in `bytes` from `start` to `end`, from the table if it is there. */
  read(bytes: Buffer, start: number, end: number): string {
    const size = end - start;
    if (size === 0) return '';
    if (size > MAX_BYTES) return bytes.toString('utf8', start, end);
    let hash = size;
    let all = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      hash = (Math.imul(hash, 31) + byte) | 0;
      all |= byte;
    }
    if (all >= 0x80) return bytes.toString('utf8', start, end);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#slots[slot]!;
    if (known.length === size) {
      let at = 0;
      while (at < size && known.charCodeAt(at) === bytes[start + at]) at++;
      if (at === size) return known;
    }
    const made = bytes.toString('latin1', start, end);
    this.#slots[slot] = made;
    return made;
  }
}
