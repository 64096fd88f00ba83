import { randomFillSync } from 'node:crypto';
import type { Reactor } from '../../../net/reactor/reactor';
import type { VirtioDevice, VirtioIdentity } from '../device-model';
import { RateLimit } from '../rate-limit';
import { serveQueue } from '../serve-queue';
import type { DescriptorChain, Virtqueue } from '../virtqueue';

const VIRTIO_ID_ENTROPY = 4;
/** "Unclassified", as QEMU's. */
const PCI_CLASS = 0x00_ff00;
const QUEUE_SIZE = 64;
/** Of one request: drivers ask for 64 bytes or a page. */
const MAX_REQUEST_BYTES = 0x1_0000;
const BYTES_PER_SECOND = 0x10_0000;

/** An entropy device (virtio 1.2, 5.4): the guest's requests are filled with random bytes of the host, one MiB a second. */
export class VirtioRng implements VirtioDevice {
  readonly identity: VirtioIdentity = {
    type: VIRTIO_ID_ENTROPY,
    pciClass: PCI_CLASS,
    features: 0n,
    queueSizes: [QUEUE_SIZE],
    config: new Uint8Array(),
    writableConfig: [],
  };
  readonly #limit = new RateLimit(BYTES_PER_SECOND, MAX_REQUEST_BYTES);
  readonly #timer;
  #queue: Virtqueue | undefined;

  constructor(private readonly reactor: Pick<Reactor, 'nowMs' | 'timer'>) {
    this.#timer = reactor.timer(() => this.#queue?.again());
  }

  activate([queue]: ReadonlyArray<Virtqueue | undefined>): void {
    this.#queue = queue;
  }

  notified(): void {
    const queue = this.#queue;
    if (queue === undefined || this.#timer.pending) return;
    serveQueue(queue, (chain) => {
      const bytes = Math.min(chain.writableBytes, MAX_REQUEST_BYTES);
      const waitMs = this.#limit.take(bytes, this.reactor.nowMs);
      if (waitMs > 0) {
        this.#timer.set(this.reactor.nowMs + waitMs);
        return false;
      }
      fill(queue, chain, bytes);
      queue.push(chain.head, bytes);
      return true;
    });
  }

  deactivate(): void {
    this.#timer.clear();
    this.#queue = undefined;
  }

  close(): void {
    this.#timer.clear();
  }
}

function fill({ memory }: Virtqueue, { writable }: DescriptorChain, bytes: number): void {
  let left = bytes;
  for (const { address, length } of writable) {
    const part = Math.min(length, left);
    if (part > 0) randomFillSync(memory.slice(address, part));
    left -= part;
  }
}
