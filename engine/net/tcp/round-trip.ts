const FIRST_TIMEOUT_MS = 1000; // RFC 6298 section 2.1
const MIN_TIMEOUT_MS = 200;
const MAX_TIMEOUT_MS = 60_000;
const MAX_DOUBLINGS = 8;

/** How long an acknowledgment may take (RFC 6298), learned from those that come; one segment at a time is timed. */
export class RoundTrip {
  #timeoutMs = FIRST_TIMEOUT_MS;
  #smoothedMs = 0;
  #variationMs = 0;
  #timedSequence = 0;
  /** Negative: nothing is timed. */
  #sinceMs = -1;

  /** How long to wait for an acknowledgment of what was sent again so many times. */
  timeoutMs(retransmissions: number): number {
    return Math.min(MAX_TIMEOUT_MS, this.#timeoutMs * 2 ** Math.min(retransmissions, MAX_DOUBLINGS));
  }

  /** A handshake is over, so the other end is there: nothing has to be as patient as before. */
  assumeShort(): void {
    this.#timeoutMs = MIN_TIMEOUT_MS;
  }

  /** A segment that was never sent before is on its way. */
  begin(sequence: number, nowMs: number): void {
    if (this.#sinceMs >= 0) return;
    this.#timedSequence = sequence;
    this.#sinceMs = nowMs;
  }

  /** Something is sent again: an acknowledgment could be for either (RFC 6298 section 3, Karn's algorithm). */
  forget(): void {
    this.#sinceMs = -1;
  }

  acknowledge(acknowledged: number, nowMs: number): void {
    if (this.#sinceMs < 0 || ((acknowledged - this.#timedSequence) | 0) <= 0) return;
    const sampleMs = nowMs - this.#sinceMs;
    this.#sinceMs = -1;
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = sampleMs;
      this.#variationMs = sampleMs / 2;
    } else {
      this.#variationMs = 0.75 * this.#variationMs + 0.25 * Math.abs(this.#smoothedMs - sampleMs);
      this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * sampleMs;
    }
    this.#timeoutMs = Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, this.#smoothedMs + 4 * this.#variationMs));
  }
}
