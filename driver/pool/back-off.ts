const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** How long to leave something alone that failed: a second, twice as long after each further failure, at most a minute. */
export class BackOff {
  #lastsMs = 0;
  #openMs = 0;

  /** Answers how long it lasts, ms. What fails while it lasts was begun before, and changes nothing. */
  fail(nowMs: number): number {
    if (this.isOver(nowMs)) {
      this.#lastsMs = Math.min(LONGEST_MS, Math.max(FIRST_MS, 2 * this.#lastsMs));
      this.#openMs = nowMs + this.#lastsMs;
    }
    return this.#lastsMs;
  }

  succeed(): void {
    this.#lastsMs = 0;
    this.#openMs = 0;
  }

  /** The last attempt failed. */
  get isFailing(): boolean {
    return this.#lastsMs > 0;
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#openMs;
  }
}
