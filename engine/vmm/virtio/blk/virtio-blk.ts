import { BlockFile } from '../../io/block-file';
import type { BlockImage } from '../../io/block-image';
import { GuestVectors } from '../../io/guest-vectors';
import type { GuestMemory } from '../../memory/guest-memory';
import type { VirtioDevice, VirtioIdentity } from '../device-model';
import { scatter } from '../segments';
import type { Virtqueue } from '../virtqueue';
import {
  blkIdentity,
  MAX_RANGES,
  SECTOR_BYTES,
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_FLUSH,
  WRITEBACK,
} from './blk-identity';
import {
  type BlkRange,
  type BlkRequest,
  RANGE_UNMAP,
  readRanges,
  readRequest,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  VIRTIO_BLK_T_DISCARD,
  VIRTIO_BLK_T_FLUSH,
  VIRTIO_BLK_T_GET_ID,
  VIRTIO_BLK_T_IN,
  VIRTIO_BLK_T_OUT,
  VIRTIO_BLK_T_WRITE_ZEROES,
} from './blk-request';

/** Neighbours are read or written by one system call up to this size; more would only keep the driver waiting. */
const MAX_MERGED_BYTES = 0x10_0000;
/** The driver hears of finished requests at the latest after so many, or so many bytes, so that it can go on meanwhile. */
const SIGNAL_REQUESTS = 16;
const SIGNAL_BYTES = 0x1_0000;
/** Requests of one queue before other queues and devices of the thread get their turn. */
const TURN_REQUESTS = 64;
/** GET_ID (5.2.6.1). */
const SERIAL_BYTES = 20;

export interface VirtioBlkOptions {
  readonly queues: number;
  /** What the guest sees as the disk's serial number: at most 20 characters of ASCII. */
  readonly serial: string;
}

/**
 * A disk on a raw image (virtio 1.2, 5.2). It works in a thread that may block: data go between file and guest memory by
 * one system call, and a request is finished when that call is. Requests take effect in the order of their queue.
 */
export class VirtioBlk implements VirtioDevice {
  readonly identity: VirtioIdentity;
  readonly #file: BlockFile;
  readonly #vectors: GuestVectors;
  readonly #serial = new Uint8Array(SERIAL_BYTES);
  #queues: ReadonlyArray<Virtqueue | undefined> = [];
  #canSetWriteback = false;
  /** Each write must be on the medium before it is answered. */
  #writeThrough = false;
  /** Reads or writes of neighbouring sectors that wait to be done as one. Empty between calls. */
  readonly #merged: BlkRequest[] = [];
  #mergedEnd = 0;
  /** What the driver has not been told of yet. */
  #doneRequests = 0;
  #doneBytes = 0;

  constructor(
    private readonly image: BlockImage,
    private readonly memory: GuestMemory,
    { queues, serial }: VirtioBlkOptions,
  ) {
    this.identity = blkIdentity(image, queues);
    this.#file = new BlockFile(image);
    this.#vectors = new GuestVectors(memory);
    this.#serial.set(Buffer.from(serial, 'latin1').subarray(0, SERIAL_BYTES));
  }

  activate(queues: ReadonlyArray<Virtqueue | undefined>, features: bigint): void {
    this.#queues = queues;
    this.#canSetWriteback = (features & VIRTIO_BLK_F_CONFIG_WCE) !== 0n;
    // A driver that can't flush gets a disk that needs no flush (5.2.6.2).
    this.#writeThrough = !this.image.sync && (features & VIRTIO_BLK_F_FLUSH) === 0n;
  }

  configWritten(config: Uint8Array): void {
    if (!this.#canSetWriteback) return;
    const writeThrough = config[WRITEBACK] === 0;
    if (writeThrough && !this.#writeThrough) this.#file.flush();
    this.#writeThrough = writeThrough;
  }

  notified(index: number): void {
    const queue = this.#queues[index] as Virtqueue;
    do {
      queue.suppressKicks();
      let left = TURN_REQUESTS;
      for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
        this.#take(queue, readRequest(this.memory, chain));
        if (--left === 0) break;
      }
      this.#finishMerged(queue);
      this.#signal(queue);
      if (left === 0) {
        queue.again();
        return;
      }
    } while (queue.wantKicks());
  }

  deactivate(): void {
    this.#queues = [];
    this.#merged.length = 0;
    this.#doneRequests = 0;
    this.#doneBytes = 0;
  }

  /** The image belongs to whoever opened it. */
  close(): void {}

  #take(queue: Virtqueue, request: BlkRequest): void {
    const { type, inBytes, outBytes } = request;
    if (type === VIRTIO_BLK_T_IN || type === VIRTIO_BLK_T_OUT) {
      const bytes = type === VIRTIO_BLK_T_IN ? inBytes : outBytes;
      if (this.#mayTransfer(request, bytes)) this.#merge(queue, request, bytes);
      else this.#answerAfterOthers(queue, request, () => VIRTIO_BLK_S_IOERR);
    } else {
      this.#answerAfterOthers(queue, request, () => this.#execute(request));
    }
  }

  #answerAfterOthers(queue: Virtqueue, request: BlkRequest, execute: () => number): void {
    this.#finishMerged(queue);
    this.#finish(queue, request, execute(), request.inBytes);
  }

  #mayTransfer({ type, offset }: BlkRequest, bytes: number): boolean {
    if (type === VIRTIO_BLK_T_OUT && this.image.readOnly) return false;
    return bytes % SECTOR_BYTES === 0 && this.#holds(offset, bytes);
  }

  #holds(offset: number, bytes: number): boolean {
    return offset + bytes <= this.image.sizeBytes;
  }

  #merge(queue: Virtqueue, request: BlkRequest, bytes: number): void {
    const first = this.#merged[0];
    const segments = request.type === VIRTIO_BLK_T_IN ? request.writable : request.readable;
    const fits =
      first !== undefined &&
      first.type === request.type &&
      this.#mergedEnd === request.offset &&
      this.#vectors.bytes + bytes <= MAX_MERGED_BYTES &&
      this.#vectors.hasRoomFor(segments.length);
    if (!fits) this.#finishMerged(queue);
    if (this.#merged.length === 0) this.#vectors.clear();
    this.#merged.push(request);
    this.#addVectors(request);
    this.#mergedEnd = request.offset + bytes;
  }

  #addVectors({ type, readable, skip, outBytes, writable, inBytes }: BlkRequest): void {
    if (type === VIRTIO_BLK_T_IN) this.#vectors.add(writable, 0, inBytes);
    else this.#vectors.add(readable, skip, outBytes);
  }

  #finishMerged(queue: Virtqueue): void {
    const first = this.#merged[0];
    if (first === undefined) return;
    const done = this.#transfer(first) === 0;
    for (const request of this.#merged) {
      let status = done ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
      if (!done && this.#merged.length > 1) {
        // Only those fail that fail by themselves.
        this.#vectors.clear();
        this.#addVectors(request);
        if (this.#transfer(request) === 0) status = VIRTIO_BLK_S_OK;
      }
      this.#finish(queue, request, status, request.inBytes);
    }
    this.#merged.length = 0;
  }

  /** Moves what is in the vectors. 0, or a negated errno. */
  #transfer({ type, offset }: BlkRequest): number {
    if (type === VIRTIO_BLK_T_IN) return this.#vectors.readFrom(this.image.fd, offset);
    const result = this.#vectors.writeTo(this.image.fd, offset);
    return result === 0 && this.#writeThrough ? this.#file.flush() : result;
  }

  /** Everything that isn't a read or a write. Answers the status. */
  #execute(request: BlkRequest): number {
    switch (request.type) {
      case VIRTIO_BLK_T_FLUSH:
        return statusOf(this.image.readOnly ? 0 : this.#file.flush());
      case VIRTIO_BLK_T_GET_ID:
        scatter(this.memory, request.writable, this.#serial.subarray(0, request.inBytes));
        return VIRTIO_BLK_S_OK;
      case VIRTIO_BLK_T_DISCARD:
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return this.#executeRanges(request);
      default:
        return VIRTIO_BLK_S_UNSUPP;
    }
  }

  #executeRanges(request: BlkRequest): number {
    if (this.image.readOnly) return VIRTIO_BLK_S_IOERR;
    if (!this.image.canDiscard) return VIRTIO_BLK_S_UNSUPP;
    const ranges = readRanges(this.memory, request, MAX_RANGES);
    if (ranges === undefined) return VIRTIO_BLK_S_IOERR;
    const discard = request.type === VIRTIO_BLK_T_DISCARD;
    // A discard has no flags, and unknown ones are not supported (5.2.6.2).
    if (ranges.some(({ flags }) => (flags & ~(discard ? 0 : RANGE_UNMAP)) !== 0)) return VIRTIO_BLK_S_UNSUPP;
    if (!ranges.every(({ offset, length }) => this.#holds(offset, length))) return VIRTIO_BLK_S_IOERR;
    for (const range of ranges) {
      if (range.length > 0 && this.#executeRange(range, discard) !== 0) return VIRTIO_BLK_S_IOERR;
    }
    return statusOf(this.#writeThrough ? this.#file.flush() : 0);
  }

  #executeRange({ offset, length, flags }: BlkRange, discard: boolean): number {
    if (discard) return this.#file.discard(offset, length);
    return this.#file.zero(offset, length, (flags & RANGE_UNMAP) === 0);
  }

  #finish(queue: Virtqueue, request: BlkRequest, status: number, inBytes: number): void {
    this.memory.writeU8(request.statusAddress, status);
    // What a failed read left in front of the status is not worth anything.
    queue.push(request.head, status === VIRTIO_BLK_S_OK || inBytes === 0 ? inBytes + 1 : 0);
    this.#doneRequests++;
    this.#doneBytes += inBytes + request.outBytes;
    if (this.#doneRequests >= SIGNAL_REQUESTS || this.#doneBytes >= SIGNAL_BYTES) this.#signal(queue);
  }

  #signal(queue: Virtqueue): void {
    this.#doneRequests = 0;
    this.#doneBytes = 0;
    queue.signal();
  }
}

function statusOf(result: number): number {
  return result === 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}
