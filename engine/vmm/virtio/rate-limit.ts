/** A token bucket: bytes per second on average, and at most a burst at once. */
export class RateLimit {
  #tokens: number;
  #filledAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly bytesPerSecond: number,
    private readonly burstBytes: number,
  ) {
    this.#tokens = burstBytes;
  }

  /**
   * Takes `bytes`, at most a burst, at a time `nowMs` of a clock that doesn't go back. 0: they are taken; else nothing is
   * taken, and it makes sense to ask again after so many milliseconds.
   */
  take(bytes: number, nowMs: number): number {
    const filled = this.#tokens + ((nowMs - this.#filledAtMs) * this.bytesPerSecond) / 1000;
    this.#tokens = Math.min(this.burstBytes, filled);
    this.#filledAtMs = nowMs;
    if (bytes > this.#tokens) return Math.ceil(((bytes - this.#tokens) * 1000) / this.bytesPerSecond);
    this.#tokens -= bytes;
    return 0;
  }
}
