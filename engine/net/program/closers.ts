type Close = () => void | Promise<void>;

/** What has to be closed, in the order of opening. */
export class Closers {
  readonly #open: Close[] = [];

  add(close: Close): void {
    this.#open.push(close);
  }

  /** Closes what was opened last first. Idempotent. */
  async close(): Promise<void> {
    for (let close = this.#open.pop(); close !== undefined; close = this.#open.pop()) await close();
  }
}
