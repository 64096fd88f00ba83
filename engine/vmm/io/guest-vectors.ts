import { blockIo, EINTR, EIO, IOV_MAX, IOVEC_BYTES } from '../../../native/block-io';
import { allocatePinned } from '../../../native/pinned-buffer';
import type { GuestMemory } from '../memory/guest-memory';
import { traced } from './block-trace';

/** Bytes of guest memory. */
export interface GuestRange {
  readonly address: number;
  readonly length: number;
}

/** Guest buffers as a system call wants them: a list of struct iovec, written into memory of fixed size. */
export class GuestVectors {
  readonly #iovecs = allocatePinned(IOV_MAX * IOVEC_BYTES);
  #count = 0;
  #bytes = 0;

  constructor(private readonly memory: GuestMemory) {}

  /** Of all buffers together. */
  get bytes(): number {
    return this.#bytes;
  }

  clear(): void {
    this.#count = 0;
    this.#bytes = 0;
  }

  /** Whether so many more buffers fit. */
  hasRoomFor(buffers: number): boolean {
    return this.#count + buffers <= IOV_MAX;
  }

  /** Adds the `length` bytes of `ranges` that begin after the first `skip`. There is room for all of them. */
  add(ranges: readonly GuestRange[], skip: number, length: number): void {
    let before = skip;
    let left = length;
    for (const range of ranges) {
      if (left === 0) return;
      if (before >= range.length) {
        before -= range.length;
        continue;
      }
      const part = Math.min(range.length - before, left);
      this.#push(this.memory.hostPointer(range.address + before, part), part);
      before = 0;
      left -= part;
    }
  }

  /** Fills the buffers from the file, all of them. 0, or a negated errno; the end of the file is -EIO. */
  readFrom(fd: number, offset: number): number {
    return traced('preadv', offset, this.#bytes, () => this.#transfer(blockIo.readVectors, fd, offset));
  }

  /** Writes the buffers to the file, all of them. 0, or a negated errno. */
  writeTo(fd: number, offset: number): number {
    return traced('pwritev', offset, this.#bytes, () => this.#transfer(blockIo.writeVectors, fd, offset));
  }

  #push(pointer: number, length: number): void {
    const at = this.#count * IOVEC_BYTES;
    const { view } = this.#iovecs;
    view.setUint32(at, pointer % 0x1_0000_0000, true);
    view.setUint32(at + 4, pointer / 0x1_0000_0000, true);
    view.setUint32(at + 8, length, true);
    this.#count++;
    this.#bytes += length;
  }

  #transfer(call: typeof blockIo.readVectors, fd: number, offset: number): number {
    let first = 0;
    for (let done = 0; done < this.#bytes; ) {
      const result = call(fd, this.#iovecs.address + first * IOVEC_BYTES, this.#count - first, offset + done);
      if (result === -EINTR) continue;
      if (result < 0) return result;
      if (result === 0) return -EIO;
      done += result;
      if (done < this.#bytes) first = this.#advance(first, result);
    }
    return 0;
  }

  /** Takes `bytes` off the buffers from `first` on; answers the first that is left. */
  #advance(first: number, bytes: number): number {
    const { view } = this.#iovecs;
    let at = first * IOVEC_BYTES;
    let left = bytes;
    for (let length = view.getUint32(at + 8, true); left >= length; length = view.getUint32(at + 8, true)) {
      left -= length;
      at += IOVEC_BYTES;
    }
    const pointer = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true) + left;
    view.setUint32(at, pointer % 0x1_0000_0000, true);
    view.setUint32(at + 4, pointer / 0x1_0000_0000, true);
    view.setUint32(at + 8, view.getUint32(at + 8, true) - left, true);
    return at / IOVEC_BYTES;
  }
}
