/** C's strtoul(3) with base 0, without sign and blanks: `0x…`, `0…` (octal) or decimal. Undefined for anything else. */
export function parseCInteger(text: string): number | undefined {
  if (!/^(?:0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.test(text)) return undefined;
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** C's atoi(3): the number that the text begins with, 0 if with none. */
export function atoi(text: string): number {
  const value = Number.parseInt(/^\s*[+-]?\d+/.exec(text)?.[0] ?? '0', 10);
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, value)) || 0;
}
