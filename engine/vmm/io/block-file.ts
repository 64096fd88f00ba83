import {
  blockIo,
  EINTR,
  EOPNOTSUPP,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from '../../../native/block-io';
import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import type { BlockImage } from './block-image';
import { traced } from './block-trace';

const ZEROES_BYTES = 0x4_0000;
let zeroes: PinnedBuffer | undefined;

/** What a disk does besides reading and writing. Each answers 0 or a negated errno; ranges lie within the image. */
export class BlockFile {
  constructor(readonly image: BlockImage) {}

  /** What was written before is on the medium. */
  flush(): number {
    for (;;) {
      const result = blockIo.flush(this.image.fd);
      if (result !== -EINTR) return result;
    }
  }

  /** The bytes are of no use to the guest any more: the host gets their space. They read as zeroes. */
  discard(offset: number, length: number): number {
    return traced('delete', offset, length, () => this.#allocate(FALLOC_FL_PUNCH_HOLE, offset, length));
  }

  /** The bytes become zeroes. @param keepSpace the file system goes on reserving space for them. */
  zero(offset: number, length: number, keepSpace: boolean): number {
    const result = this.#allocate(keepSpace ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE, offset, length);
    return result === -EOPNOTSUPP ? this.#writeZeroes(offset, length) : result;
  }

  #allocate(mode: number, offset: number, length: number): number {
    for (;;) {
      const result = blockIo.allocate(this.image.fd, mode | FALLOC_FL_KEEP_SIZE, offset, length);
      if (result !== -EINTR) return result;
    }
  }

  #writeZeroes(offset: number, length: number): number {
    zeroes ??= allocatePinned(ZEROES_BYTES);
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, ZEROES_BYTES);
      const result = blockIo.write(this.image.fd, zeroes.address, part, offset + done);
      if (result < 0 && result !== -EINTR) return result;
      done += Math.max(0, result);
    }
    return 0;
  }
}
