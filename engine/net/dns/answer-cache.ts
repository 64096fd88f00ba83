import type { Answer } from './answer';

const MAX_ENTRIES = 1024;
const MAX_BYTES = 4 * 1024 * 1024;

/** An answer that is still good, and for how long we have had it. */
export interface CachedAnswer {
  readonly answer: Answer;
  readonly ageS: number;
}

interface Entry {
  readonly answer: Answer;
  readonly storedMs: number;
}

/** Answers by key until their lifetime ends. Above 1024 of them or 4 MiB those go that were not used for longest. */
export class AnswerCache {
  readonly #now: () => number;
  /** A map keeps the order of insertion: the first is the one that was not used for longest. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): CachedAnswer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const ageMs = this.#now() - entry.storedMs;
    this.#entries.delete(key);
    if (ageMs >= entry.answer.lifetimeS * 1000) {
      this.#bytes -= entry.answer.message.length;
      return undefined;
    }
    this.#entries.set(key, entry);
    return { answer: entry.answer, ageS: Math.floor(ageMs / 1000) };
  }

  /** Keeps an answer that has a lifetime. */
  set(key: string, answer: Answer): void {
    if (answer.lifetimeS <= 0) return;
    this.#remove(key);
    this.#entries.set(key, { answer, storedMs: this.#now() });
    this.#bytes += answer.message.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) break;
      this.#remove(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #remove(key: string): void {
    this.#bytes -= this.#entries.get(key)?.answer.message.length ?? 0;
    this.#entries.delete(key);
  }
}
