/** What may wait for a reader. */
const MAX_BYTES = 256 * 1024;

/** Console output on its way to one reader; of what a slow one doesn't take in time the oldest is dropped. */
export class ConsoleBacklog {
  #waiting: Buffer[] = [];
  #bytes = 0;
  #dropped = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  push(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#waiting.push(Buffer.from(bytes));
    this.#bytes += bytes.length;
    while (this.#bytes > MAX_BYTES) {
      const dropped = this.#waiting.shift()?.length ?? 0;
      this.#bytes -= dropped;
      this.#dropped += dropped;
    }
    this.#wake?.();
  }

  /** Nothing more is pushed; what waits can still be taken. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** All that waits, as soon as there is something; undefined after the end. For one caller at a time. */
  async take(): Promise<{ readonly data: Uint8Array; readonly droppedBytes: bigint } | undefined> {
    if (this.#bytes === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
    if (this.#bytes === 0) return undefined;
    const taken = { data: Buffer.concat(this.#waiting), droppedBytes: BigInt(this.#dropped) };
    this.#waiting = [];
    this.#bytes = 0;
    this.#dropped = 0;
    return taken;
  }
}
