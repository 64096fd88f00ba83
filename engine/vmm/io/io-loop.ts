import { allocatePinned } from '../../../native/pinned-buffer';
import { EPOLL_DATA_OFFSET, EPOLL_EVENT_BYTES, EPOLLET, EPOLLIN, sockets } from '../../../native/sockets';

const EVENTS = 64;
const FOR_EVER = -1;

/**
 * The loop of a thread that may block: it sleeps in epoll until an eventfd is signalled, and calls its handler. Watches are
 * edge-triggered, and each signal is an edge, so eventfds need not be read.
 */
export class IoLoop {
  readonly #epoll = sockets.epollCreate();
  readonly #events = allocatePinned(EVENTS * EPOLL_EVENT_BYTES);
  readonly #handlers: (() => void)[] = [];
  #stopped = false;

  /** `handler` runs after each signal; several may come as one. */
  watch(eventfd: number, handler: () => void): void {
    sockets.epollSet(this.#epoll, eventfd, EPOLLIN | EPOLLET, this.#handlers.length);
    this.#handlers.push(handler);
  }

  /** Blocks until a handler calls {@link stop}. */
  run(): void {
    const { view, address } = this.#events;
    while (!this.#stopped) {
      // Fewer than 0 is EINTR.
      const count = sockets.epollWait(this.#epoll, address, EVENTS, FOR_EVER);
      for (let entry = 0; entry < count && !this.#stopped; entry++) {
        this.#handlers[view.getUint32(entry * EPOLL_EVENT_BYTES + EPOLL_DATA_OFFSET, true)]?.();
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    sockets.close(this.#epoll);
  }
}
