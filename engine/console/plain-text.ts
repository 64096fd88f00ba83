const ESC = '\\u001b';
/** ECMA-48 control sequences, operating-system commands and other strings with their ends, and two-character escapes. */
const ESCAPES = new RegExp(
  `${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}[\\]PX^_][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)?|${ESC}[ -/]*[0-~]`,
  'g',
);
/** Control characters that are left, C1 ones and those that turn the direction of text. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const MAX_LINE = 500;

/**
 * Console output as lines that are safe to print on anybody's terminal: the guest is not trusted, and firmware clears
 * the screen. Bytes that are not UTF-8 become U+FFFD, empty lines are left out, long ones are cut.
 */
export function toPlainLines(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString('utf8').replace(ESCAPES, '');
  const lines = text.split(/\r*\n|\r/).map((line) => line.replace(CONTROLS, '').replaceAll('\t', ' ').trimEnd());
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}...` : line));
}
