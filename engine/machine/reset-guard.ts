const MAX_RESETS = 5;
const WITHIN_MS = 60_000;

/** Tells a guest that reboots now and then from one that never gets up, such as a kernel that panics at boot. */
export class ResetGuard {
  #recent: number[] = [];

  /** Notes a reset; false when it was one too many. `nowMs` only has to move forward. */
  allows(nowMs: number): boolean {
    this.#recent = [...this.#recent.filter((then) => nowMs - then < WITHIN_MS), nowMs];
    return this.#recent.length < MAX_RESETS;
  }

  static readonly complaint =
    `the guest was reset ${MAX_RESETS} times within ${WITHIN_MS / 1000} s; see console.log for why it does not come up`;
}
