import { EngineError } from '../../../errors';
import type { DescriptorChain, Virtqueue } from '../virtqueue';
import { NET_HEADER_BYTES } from './net-header';

/**
 * The buffers that a guest has laid out for frames. Chains that were taken off the ring and not used yet are kept here,
 * in order, so that a frame either finds room for all of it or leaves the ring as it is.
 */
export class ReceiveBuffers {
  readonly #kept: DescriptorChain[] = [];
  /** Chains that the frame being written lies in, so far; where in the last one the next byte goes. */
  #used = 0;
  #segment = 0;
  #offset = 0;
  #written = 0;

  /** @param mergeable a frame may go on in the next chain (VIRTIO_NET_F_MRG_RXBUF). */
  constructor(
    private readonly queue: Virtqueue,
    private readonly mergeable: boolean,
  ) {}

  /**
   * Whether there is room for `count` frames of up to `bytes` each, header included. `never`: more buffers would not
   * help, such frames can't be had by this driver.
   * @throws EngineError HK_GUEST_FAULT
   */
  reserve(bytes: number, count = 1): 'room' | 'none' | 'never' {
    let index = 0;
    for (let frame = 0; frame < count; frame++) {
      for (let missing = bytes; missing > 0; index++) {
        if (index === this.queue.size) return 'never';
        const chain = this.#kept[index] ?? this.#take();
        if (chain === undefined) return 'none';
        if (!this.mergeable && chain.writableBytes < bytes) return 'never';
        missing -= chain.writableBytes;
      }
    }
    return 'room';
  }

  /** Chains that a frame of `bytes` fills, for its header; the room was reserved. */
  chainsFor(bytes: number): number {
    let count = 0;
    for (let missing = bytes; missing > 0; count++) missing -= this.#kept[count]?.writableBytes ?? missing;
    return count;
  }

  /** Writes the next bytes of a frame; the room was reserved. */
  write(source: Uint8Array, start: number, end: number): void {
    const { memory } = this.queue;
    for (let from = start; from < end; ) {
      const segment = this.#kept[this.#used]?.writable[this.#segment];
      if (segment === undefined) {
        this.#used++;
        this.#segment = 0;
        continue;
      }
      const length = Math.min(segment.length - this.#offset, end - from);
      const target = memory.slice(segment.address + this.#offset, length);
      target.set(source.subarray(from, from + length));
      from += length;
      this.#written += length;
      this.#offset += length;
      if (this.#offset === segment.length) {
        this.#segment++;
        this.#offset = 0;
      }
    }
  }

  /** The frame is complete: gives its chains to the driver, all at once. */
  finish(): void {
    const count = this.#written === 0 ? 0 : this.#used + 1;
    this.give(this.#written, count);
    this.#used = 0;
    this.#segment = 0;
    this.#offset = 0;
    this.#written = 0;
  }

  /** Gives the first `count` chains to the driver, which `bytes` were written to. */
  give(bytes: number, count: number): void {
    let left = bytes;
    for (let index = 0; index < count; index++) {
      const { head, writableBytes } = this.#kept[index] as DescriptorChain;
      const here = Math.min(left, writableBytes);
      left -= here;
      // The driver looks for the frame's other chains as soon as it sees the first.
      if (index < count - 1) this.queue.stage(head, here);
      else this.queue.push(head, here);
    }
    this.#kept.splice(0, count);
  }

  /** All chains that were taken off the ring, for system calls that write to them. */
  get kept(): readonly DescriptorChain[] {
    return this.#kept;
  }

  #take(): DescriptorChain | undefined {
    const chain = this.queue.pop();
    if (chain === undefined) return undefined;
    // virtio 1.2, 5.1.6.3.1: at least the header has room in each.
    if (chain.writableBytes < NET_HEADER_BYTES) {
      throw new EngineError('HK_GUEST_FAULT', `the guest offers ${chain.writableBytes} bytes for a frame`);
    }
    this.#kept.push(chain);
    return chain;
  }
}
