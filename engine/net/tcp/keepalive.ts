/** A silent connection may stay silent for ever; this only finds out that the guest is gone. */
const IDLE_MS = 300_000;
const INTERVAL_MS = 30_000;
const PROBES = 9;

/** Whether a guest that says nothing is still there (RFC 9293 section 3.8.4). */
export class Keepalive {
  #probes = 0;

  constructor(private heardMs: number) {}

  /** The guest said something. */
  hear(nowMs: number): void {
    this.heardMs = nowMs;
    this.#probes = 0;
  }

  isAlive(nowMs: number): boolean {
    return nowMs - this.heardMs < IDLE_MS;
  }

  /** When to look next, if it is set at `nowMs`. */
  nextMs(nowMs: number): number {
    return nowMs + (this.#probes === 0 ? IDLE_MS : INTERVAL_MS);
  }

  /** What to do now: when to look again, ask the guest, or give it up. */
  look(nowMs: number): number | 'ask' | 'give-up' {
    const dueMs = this.heardMs + IDLE_MS;
    if (this.#probes === 0 && dueMs > nowMs) return dueMs;
    if (this.#probes >= PROBES) return 'give-up';
    this.#probes++;
    return 'ask';
  }
}
