import { PAGE_BYTES } from '../../memory/allocate-memory';
import type { VirtioDevice, VirtioIdentity } from '../device-model';
import { gather } from '../segments';
import { serveQueue } from '../serve-queue';
import type { DescriptorChain, Virtqueue } from '../virtqueue';

const VIRTIO_ID_BALLOON = 5;
/** PCI code and ID assignment: "unclassified", as QEMU's. */
const PCI_CLASS = 0x00_ff00;
const VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 1n << 2n;
const VIRTIO_BALLOON_F_REPORTING = 1n << 5n;
const QUEUE_SIZE = 128;
const INFLATE = 0;
/** Page frame numbers of 4 bytes in one request; Linux sends 256. */
const MAX_FRAMES = 1024;

/** Gives pages of the host back; they read as zeroes afterwards. `address` is where they lie in this process. */
export type DiscardPages = (address: bigint, length: number) => void;

/**
 * A memory balloon (virtio 1.2, 5.5) that nobody blows up: it is there for free page reporting. The guest tells which
 * of its pages it does not use, and the host has them back until the guest does; nothing has to be decided.
 */
export class VirtioBalloon implements VirtioDevice {
  readonly identity: VirtioIdentity = {
    type: VIRTIO_ID_BALLOON,
    pciClass: PCI_CLASS,
    features: VIRTIO_BALLOON_F_DEFLATE_ON_OOM | VIRTIO_BALLOON_F_REPORTING,
    // Drivers leave out the queues of features that are not offered: the third is the one for reports.
    queueSizes: [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE],
    // struct virtio_balloon_config: 0 u32 num_pages, wanted; 4 u32 actual
    config: new Uint8Array(8),
    writableConfig: [{ offset: 4, length: 4 }],
  };
  #queues: ReadonlyArray<Virtqueue | undefined> = [];
  /** Bytes given back so far, for people; those that the guest took again are not known. */
  discardedBytes = 0;
  readonly #frames = Buffer.alloc(4 * MAX_FRAMES);

  constructor(private readonly discard: DiscardPages) {}

  activate(queues: ReadonlyArray<Virtqueue | undefined>): void {
    this.#queues = queues;
  }

  notified(index: number): void {
    const queue = this.#queues[index];
    if (queue === undefined) return;
    serveQueue(queue, (chain) => {
      if (index === INFLATE) this.#takePages(queue, chain);
      // Reports are buffers that the device could write to; there are none in the other queue.
      for (const { address, length } of chain.writable) this.#giveBack(queue, address, length);
      queue.push(chain.head, 0);
      return true;
    });
  }

  deactivate(): void {
    this.#queues = [];
  }

  close(): void {
    this.deactivate();
  }

  #takePages(queue: Virtqueue, { readable }: DescriptorChain): void {
    const bytes = gather(queue.memory, readable, 0, this.#frames);
    for (let at = 0; at + 4 <= bytes; at += 4) {
      this.#giveBack(queue, this.#frames.readUInt32LE(at) * PAGE_BYTES, PAGE_BYTES);
    }
  }

  /** Whole pages only: what else lies in one is still the guest's. @throws GuestMemoryFault */
  #giveBack({ memory }: Virtqueue, address: number, length: number): void {
    const start = Math.ceil(address / PAGE_BYTES) * PAGE_BYTES;
    const bytes = Math.floor((address + length) / PAGE_BYTES) * PAGE_BYTES - start;
    if (bytes <= 0) return;
    this.discard(memory.hostAddress(start, bytes), bytes);
    this.discardedBytes += bytes;
  }
}
