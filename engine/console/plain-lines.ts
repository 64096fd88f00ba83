import { toPlainLines } from './plain-text';

/** A line that never ends is printed in parts of this many bytes. */
const MAX_LINE_BYTES = 16 * 1024;

/** Makes console output safe to print on a terminal, line by line as it comes; see {@link toPlainLines}. */
export class PlainLines {
  #rest: Buffer = Buffer.alloc(0);

  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): readonly string[] {
    const all = Buffer.concat([this.#rest, bytes]);
    const end = all.length > MAX_LINE_BYTES && !all.includes(0x0a) ? all.length : all.lastIndexOf(0x0a) + 1;
    this.#rest = all.subarray(end);
    return toPlainLines(all.subarray(0, end));
  }

  /** What is left without a line end, a prompt for example. */
  end(): readonly string[] {
    return toPlainLines(this.#rest);
  }
}
