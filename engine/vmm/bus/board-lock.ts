const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/**
 * The lock around every register device of a board: a futex in shared memory (the three-state mutex of Drepper's
 * "Futexes Are Tricky"), 20 ns when nobody else wants it. It is held for one access at a time. It can't be entered twice.
 */
export class BoardLock {
  static readonly BYTES = 4;
  readonly #word: Int32Array;

  /** @param shared zeroed memory of {@link BYTES}, the same for each thread. */
  constructor(readonly shared: SharedArrayBuffer) {
    this.#word = new Int32Array(shared, 0, 1);
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#word, 0, FREE, HELD) === FREE) return;
    while (Atomics.exchange(this.#word, 0, CONTENDED) !== FREE) Atomics.wait(this.#word, 0, CONTENDED);
  }

  release(): void {
    if (Atomics.exchange(this.#word, 0, FREE) === CONTENDED) Atomics.notify(this.#word, 0, 1);
  }

  run<T>(action: () => T): T {
    this.acquire();
    try {
      return action();
    } finally {
      this.release();
    }
  }
}
