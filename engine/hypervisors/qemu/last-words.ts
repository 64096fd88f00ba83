import { toPlainLines } from '../../console/plain-text';

const MAX_BYTES = 8 * 1024;
const MAX_LINES = 12;

/** The end of what a process printed. */
export class LastWords {
  #bytes = Buffer.alloc(0);

  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]).subarray(-MAX_BYTES);
  }

  lines(): string[] {
    return toPlainLines(this.#bytes).slice(-MAX_LINES);
  }
}
