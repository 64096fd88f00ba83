/** A timer that may be set again and again without allocating. */
export interface Timer {
  /** Due at `dueMs` on the reactor's clock; replaces an earlier setting. */
  set(dueMs: number): void;
  clear(): void;
  readonly pending: boolean;
}

class HeapTimer implements Timer {
  /** Infinity: not set. */
  due = Number.POSITIVE_INFINITY;
  /** Where the heap sorts it; never later than `due`, so setting a timer later costs nothing until it is looked at. */
  sortedAt = Number.POSITIVE_INFINITY;
  /** Place in the heap, -1 outside. */
  index = -1;

  constructor(
    private readonly heap: TimerHeap,
    readonly action: () => void,
  ) {}

  get pending(): boolean {
    return this.due !== Number.POSITIVE_INFINITY;
  }

  set(dueMs: number): void {
    this.due = dueMs;
    if (this.index < 0 || dueMs < this.sortedAt) this.heap.sort(this);
  }

  clear(): void {
    this.due = Number.POSITIVE_INFINITY;
    // Left inside, it would keep all that its action knows until its old time.
    if (this.index >= 0) this.heap.remove(this);
  }
}

/** Timers by due time: a binary heap whose entries are only moved when they must be. */
export class TimerHeap {
  readonly #heap: HeapTimer[] = [];

  /** @param changed called after a timer was set to an earlier time than the heap knew of it. */
  constructor(private readonly changed: () => void = () => undefined) {}

  create(action: () => void): Timer {
    return new HeapTimer(this, action);
  }

  /** When something is due at the earliest; may be early (the timer was set later since), never late. */
  get nextMs(): number {
    return this.#heap[0]?.sortedAt ?? Number.POSITIVE_INFINITY;
  }

  /** Runs what is due. */
  run(nowMs: number): void {
    for (let top = this.#heap[0]; top !== undefined && top.sortedAt <= nowMs; top = this.#heap[0]) {
      if (top.due === top.sortedAt) {
        this.remove(top);
        top.due = Number.POSITIVE_INFINITY;
        top.action();
      } else {
        top.sortedAt = top.due;
        this.#sink(0);
      }
    }
  }

  sort(timer: HeapTimer): void {
    timer.sortedAt = timer.due;
    if (timer.index < 0) {
      timer.index = this.#heap.length;
      this.#heap.push(timer);
    }
    this.#rise(timer.index);
    this.changed();
  }

  remove(timer: HeapTimer): void {
    const last = this.#heap.pop() as HeapTimer;
    const { index } = timer;
    timer.index = -1;
    if (last === timer) return;
    this.#place(last, index);
    this.#sink(index);
    this.#rise(last.index);
  }

  #place(timer: HeapTimer, index: number): void {
    this.#heap[index] = timer;
    timer.index = index;
  }

  #rise(start: number): void {
    const timer = this.#heap[start] as HeapTimer;
    let index = start;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above] as HeapTimer;
      if (parent.sortedAt <= timer.sortedAt) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(timer, index);
  }

  #sink(start: number): void {
    const timer = this.#heap[start] as HeapTimer;
    let index = start;
    for (;;) {
      let below = 2 * index + 1;
      let child = this.#heap[below];
      if (child === undefined) break;
      const right = this.#heap[below + 1];
      if (right !== undefined && right.sortedAt < child.sortedAt) {
        child = right;
        below++;
      }
      if (timer.sortedAt <= child.sortedAt) break;
      this.#place(child, index);
      index = below;
    }
    this.#place(timer, index);
  }
}
