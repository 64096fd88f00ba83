interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

/** Those who wait until something is so that other threads change at any moment. */
export class ConditionWaiters {
  #waiters: readonly Waiter[] = [];

  /** Resolves when `isDone` says so, now or at a later {@link settle}. */
  async until(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    await new Promise<void>((resolve) => {
      this.#waiters = [...this.#waiters, { isDone, resolve }];
    });
  }

  /** Something has changed. Each waiter is asked once: who is dropped was told. */
  settle(): void {
    this.#waiters = this.#waiters.filter(({ isDone, resolve }) => {
      if (!isDone()) return true;
      resolve();
      return false;
    });
  }
}
