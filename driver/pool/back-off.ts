const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** How long to leave something alone that failed: a second, twice as long after each further failure, at most a minute. */
export class BackOff {
  #failures = 0;
  #openMs = 0;

  /** Answers how long it lasts, ms. */
  fail(nowMs: number): number {
    const lastsMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    this.#openMs = nowMs + lastsMs;
    return lastsMs;
  }

  succeed(): void {
    this.#failures = 0;
    this.#openMs = 0;
  }

  /** The last attempt failed. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#openMs;
  }
}
