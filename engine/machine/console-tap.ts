import type { SerialLine } from '../console/serial-line';

/** The machine's console, for those who come by way of this process, beside those who sit at its socket. */
export class ConsoleTap implements SerialLine {
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  #reader: ((bytes: Uint8Array) => void) | undefined;
  #paused = false;

  constructor(private readonly line: SerialLine) {}

  write(bytes: Uint8Array): void {
    this.line.write(bytes);
    for (const listener of this.#listeners) listener(bytes);
  }

  /** Calls `listener` with what the guest says from now on, until the function that is answered is called. The bytes are only lent. */
  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** False: there is no guest yet, or no room; nothing was taken. */
  type(bytes: Uint8Array): boolean {
    if (this.#paused || this.#reader === undefined) return false;
    this.#reader(bytes);
    return true;
  }

  read(listener: (bytes: Uint8Array) => void): void {
    this.#reader = listener;
    this.#paused = false;
    this.line.read(listener);
  }

  pauseInput(): void {
    this.#paused = true;
    this.line.pauseInput();
  }

  resumeInput(): void {
    this.#paused = false;
    this.line.resumeInput();
  }

  async close(): Promise<void> {
    await this.line.close();
  }
}
