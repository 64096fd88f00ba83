import { closeSync, openSync, writeSync } from 'node:fs';

/** An event of Chrome's Trace Event Format: what chrome://tracing, Perfetto and speedscope open. */
export interface ChromeEvent {
  readonly name: string;
  /** i: a moment; C: counters, their values in `args`; M: metadata. */
  readonly ph: 'i' | 'C' | 'M';
  /** Microseconds. */
  readonly ts: number;
  readonly pid: number;
  readonly tid: number;
  /** Of a moment: it belongs to its thread. */
  readonly s?: 't';
  readonly args: Readonly<Record<string, number | string>>;
}

const MAX_BYTES = 64 * 1024 * 1024;
/** Written at once. */
const CHUNK_BYTES = 64 * 1024;

/** A trace file that ends where its room does. The format allows for a missing end, so a killed process leaves a good file. */
export class ChromeTrace {
  readonly #fd: number;
  readonly #maxBytes: number;
  #text = '[\n';
  #written = 0;
  #full = false;

  /** Creates or empties the file. Errors of the file system pass through. */
  constructor(file: string, maxBytes = MAX_BYTES) {
    this.#fd = openSync(file, 'w', 0o600);
    this.#maxBytes = maxBytes;
  }

  /** Never throws: a full disk must not stop a guest. */
  write(event: ChromeEvent): void {
    if (this.#full) return;
    const line = `${JSON.stringify(event)},\n`;
    if (this.#written + this.#text.length + line.length > this.#maxBytes) {
      this.#full = true;
      return;
    }
    this.#text += line;
    if (this.#text.length >= CHUNK_BYTES) this.flush();
  }

  flush(): void {
    if (this.#text === '') return;
    try {
      this.#written += writeSync(this.#fd, this.#text);
    } catch {
      this.#full = true;
    }
    this.#text = '';
  }

  close(): void {
    this.flush();
    closeSync(this.#fd);
  }
}
