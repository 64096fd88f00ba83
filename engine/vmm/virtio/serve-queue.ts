import type { DescriptorChain, Virtqueue } from './virtqueue';

/** Chains before other queues and devices of the thread get their turn, however fast the driver adds more. */
const TURN_CHAINS = 64;

/**
 * Hands the queue's chains to `handle`, one after the other, until there are none. `handle` pushes each, then or later;
 * when it answers false, it can't do with that one yet: it goes back, and whoever made `handle` comes again.
 * @throws EngineError HK_GUEST_FAULT
 */
export function serveQueue(queue: Virtqueue, handle: (chain: DescriptorChain) => boolean): void {
  let left = TURN_CHAINS;
  do {
    queue.suppressKicks();
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (!handle(chain)) {
        queue.unpop();
        queue.signal();
        return;
      }
      if (--left === 0) {
        queue.signal();
        queue.again();
        return;
      }
    }
    queue.signal();
  } while (queue.wantKicks());
}
