import { allocatePinned } from '../../../native/pinned-buffer';
import {
  EPOLL_DATA_OFFSET,
  EPOLL_EVENT_BYTES,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  pollReadable,
  sockets,
} from '../../../native/sockets';
import { type Timer, TimerHeap } from './timer-heap';

/** Called with epoll's event bits. Edge-triggered: read or write until EAGAIN, or call `Watch.again()`. */
export type EventHandler = (events: number) => void;

/** A descriptor under watch. */
export interface Watch {
  /** Runs the handler once more, next turn, with EPOLLIN | EPOLLOUT: for handlers that stopped before EAGAIN. */
  again(): void;
  /** Ends the watch; the descriptor is the caller's to close. */
  close(): void;
}

const CAPACITY = 256;
/** Turns in a row before Node's other work gets its chance. */
const TURNS_IN_A_ROW = 32;

class Slot implements Watch {
  /** Queued for another run. */
  queued = false;
  open = true;

  constructor(
    private readonly reactor: Reactor,
    readonly index: number,
    readonly fd: number,
    readonly handler: EventHandler,
  ) {}

  again(): void {
    if (this.queued) return;
    this.queued = true;
    this.reactor.requeue(this);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.reactor.release(this);
  }
}

/**
 * One thread's event loop for the network: descriptors watched by an edge-triggered epoll, timers, and work at the end
 * of each turn. It lives inside of Node's own loop: Node watches the epoll descriptor. Nothing here blocks, and nothing
 * runs while nothing happens.
 */
export class Reactor {
  /**
   * Called with what a handler throws, which is a mistake of ours: others' frames and connections go on. Undefined: it is
   * thrown, and ends the process.
   */
  onFault: ((error: Error) => void) | undefined;
  readonly #epoll = sockets.epollCreate();
  readonly #events = allocatePinned(CAPACITY * EPOLL_EVENT_BYTES);
  readonly #slots: (Slot | undefined)[] = [];
  readonly #free: number[] = [];
  /** Slots released in this turn: a later event of the same turn may still name them. */
  #released: number[] = [];
  #again: Slot[] = [];
  readonly #timers = new TimerHeap(() => {
    // Within a turn its end looks at the heap.
    if (!this.#turning) this.#arm();
  });
  readonly #flushers = new Set<() => void>();
  readonly #poll = pollReadable(this.#epoll, () => this.#run());
  #wake: NodeJS.Timeout | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #immediate: NodeJS.Immediate | undefined;
  #closed = false;
  #now = performance.now();
  #turning = false;

  /** Milliseconds on a clock that never goes back; taken once a turn. */
  get nowMs(): number {
    return this.#turning ? this.#now : performance.now();
  }

  watch(fd: number, handler: EventHandler): Watch {
    const index = this.#free.pop() ?? this.#slots.length;
    const slot = new Slot(this, index, fd, handler);
    sockets.epollSet(this.#epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, index);
    this.#slots[index] = slot;
    return slot;
  }

  timer(action: () => void): Timer {
    return this.#timers.create(action);
  }

  /** `flush` runs at the end of every turn, for work that is cheaper done once for many frames. Answers how to end that. */
  atTurnEnd(flush: () => void): () => void {
    this.#flushers.add(flush);
    return () => void this.#flushers.delete(flush);
  }

  /** Runs `action` as a turn of its own: for calls that come from outside of the loop, so that what they caused is flushed. */
  enter<T>(action: () => T): T {
    if (this.#turning) return action();
    this.#turning = true;
    this.#now = performance.now();
    try {
      return action();
    } finally {
      this.#finishTurn();
      this.#arm();
    }
  }

  requeue(slot: Slot): void {
    if (this.#closed) return;
    this.#again.push(slot);
    if (!this.#turning) this.#soon();
  }

  release(slot: Slot): void {
    if (!this.#closed) sockets.epollRemove(this.#epoll, slot.fd);
    this.#slots[slot.index] = undefined;
    if (this.#turning) this.#released.push(slot.index);
    else this.#free.push(slot.index);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    clearTimeout(this.#wake);
    clearImmediate(this.#immediate);
    sockets.close(this.#epoll);
  }

  #run(): void {
    for (let turns = 0; turns < TURNS_IN_A_ROW; turns++) {
      if (this.#closed || !this.#turn()) break;
    }
    this.#arm();
  }

  /** Whether anything happened. */
  #turn(): boolean {
    this.#turning = true;
    this.#now = performance.now();
    try {
      const again = this.#again;
      if (again.length > 0) {
        this.#again = [];
        for (const slot of again) {
          slot.queued = false;
          if (slot.open && !this.#closed) this.#handle(slot, EPOLLIN | EPOLLOUT);
        }
      }
      if (this.#closed) return false;
      const count = sockets.epollWait(this.#epoll, this.#events.address, CAPACITY, 0);
      const { view } = this.#events;
      for (let entry = 0; entry < count && !this.#closed; entry++) {
        const offset = entry * EPOLL_EVENT_BYTES;
        const slot = this.#slots[view.getUint32(offset + EPOLL_DATA_OFFSET, true)];
        if (slot !== undefined) this.#handle(slot, view.getUint32(offset, true));
      }
      return count > 0 || again.length > 0;
    } finally {
      if (!this.#closed) this.#timers.run(this.#now);
      this.#finishTurn();
    }
  }

  #handle(slot: Slot, events: number): void {
    try {
      slot.handler(events);
    } catch (error) {
      if (this.onFault === undefined) throw error;
      this.onFault(error as Error);
    }
  }

  #finishTurn(): void {
    for (const flush of this.#flushers) flush();
    this.#turning = false;
    for (const index of this.#released) this.#free.push(index);
    this.#released.length = 0;
  }

  /** Makes sure that Node calls when there is something to do without an event of a descriptor. */
  #arm(): void {
    if (this.#closed) return;
    if (this.#again.length > 0) this.#soon();
    const next = this.#timers.nextMs;
    if (next >= this.#wakeAt) return;
    clearTimeout(this.#wake);
    this.#wakeAt = next;
    this.#wake = setTimeout(
      () => {
        this.#wakeAt = Number.POSITIVE_INFINITY;
        this.#run();
      },
      Math.max(0, Math.min(Math.ceil(next - performance.now()), 0x7fff_ffff)),
    );
  }

  #soon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#run();
    });
  }
}
