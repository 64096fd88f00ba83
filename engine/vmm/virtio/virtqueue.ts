import { EngineError } from '../../errors';
import type { GuestMemory, MemoryWindow } from '../memory/guest-memory';

/** Consecutive bytes of guest memory, none of them outside of it. */
export interface Segment {
  readonly address: number;
  readonly length: number;
}

/** One request of the driver: buffers for the device to read, then buffers for it to write. */
export interface DescriptorChain {
  /** What {@link Virtqueue.push} wants back. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
  /** Both sums together stay below 2^32. */
  readonly readableBytes: number;
  readonly writableBytes: number;
}

/** Where the driver put a queue (guest-physical) and what was negotiated about it. */
export interface VirtqueueLayout {
  /** Entries of each ring: a power of two, at most 32768. */
  readonly size: number;
  readonly descriptorTable: number;
  readonly availableRing: number;
  readonly usedRing: number;
  /** VIRTIO_F_INDIRECT_DESC */
  readonly indirect: boolean;
  /** VIRTIO_F_EVENT_IDX */
  readonly eventIndex: boolean;
}

/** Descriptor: 0 u64 address, 8 u32 length, 12 u16 flags, 14 u16 next (virtio 1.2, 2.7.5) */
const DESCRIPTOR_BYTES = 16;
const VIRTQ_DESC_F_NEXT = 1;
const VIRTQ_DESC_F_WRITE = 2;
const VIRTQ_DESC_F_INDIRECT = 4;

/** Available ring: 0 u16 flags, 2 u16 index, 4 u16 heads (one per entry), then u16 used_event (2.7.6) */
const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
/** Used ring: 0 u16 flags, 2 u16 index, 4 { u32 head, u32 length } per entry, then u16 avail_event (2.7.8) */
const VIRTQ_USED_F_NO_NOTIFY = 1;
const USED_ELEMENT_BYTES = 8;
const INDEX = 2;
const RING = 4;

/** 2.7: the largest split virtqueue. */
const MAX_QUEUE_SIZE = 0x8000;
/** Longer chains are refused, however long an indirect table is: what preadv and pwritev take at once (IOV_MAX). */
const MAX_CHAIN_LENGTH = 1024;
const MAX_CHAIN_BYTES = 0xffff_ffff;
/** Bytes after which {@link Virtqueue.signalEarly} signals: a few system calls' worth of work, or one large frame. */
const EARLY_SIGNAL_BYTES = 0x1_0000;

/** What the thread that serves the queue does for it. */
export interface VirtqueueHost {
  fail(fault: EngineError): void;
  again(): void;
}

const STANDALONE: VirtqueueHost = {
  fail: (fault) => {
    throw fault;
  },
  again: () => undefined,
};

function fault(what: string): EngineError {
  return new EngineError('HK_GUEST_FAULT', `the guest's driver broke a virtqueue: ${what}`);
}

/**
 * The device's side of a split virtqueue (virtio 1.2, 2.7). Everything in it is the guest's to change at any moment, so
 * each field is read once, checked, and not looked at again. Only ring indices, flags and events are read and written
 * atomically: an index is loaded before and stored after what it announces, and these accesses are sequentially
 * consistent, which is the full barrier that notification suppression needs (2.7.7, 2.7.10).
 *
 * One object belongs to one thread.
 */
export class Virtqueue {
  readonly size: number;
  readonly #mask: number;
  readonly #descriptors: number;
  readonly #table: MemoryWindow;
  readonly #available: number;
  readonly #used: number;
  readonly #usedEvent: number;
  readonly #availableEvent: number;
  readonly #indirect: boolean;
  readonly #eventIndex: boolean;
  /** The next entry of the available ring to pop, and the driver's index as it was last read; both are mod 2^16. */
  #next = 0;
  #announced = 0;
  /** The chains between them were given back: they count as seen. */
  #gaveBack = false;
  #usedIndex = 0;
  /** The used index at the last {@link signal}. */
  #signalledIndex = 0;
  /** What {@link signalEarly} was told of since then. */
  #unsignalledBytes = 0;

  /**
   * @param interrupt tells the driver that the used ring has grown.
   * @throws GuestMemoryFault, EngineError HK_GUEST_FAULT when the rings are not in guest memory or not aligned.
   */
  constructor(
    readonly memory: GuestMemory,
    layout: VirtqueueLayout,
    private readonly interrupt: () => void,
    private readonly host: VirtqueueHost = STANDALONE,
  ) {
    const { size, descriptorTable, availableRing, usedRing } = layout;
    if (!(size > 0 && size <= MAX_QUEUE_SIZE && (size & (size - 1)) === 0)) throw fault(`its size is ${size}`);
    if (descriptorTable % DESCRIPTOR_BYTES !== 0 || availableRing % 2 !== 0 || usedRing % 4 !== 0) {
      throw fault('its rings are not aligned');
    }
    this.size = size;
    this.#mask = size - 1;
    this.#descriptors = descriptorTable;
    this.#available = availableRing;
    this.#used = usedRing;
    this.#usedEvent = availableRing + RING + 2 * size;
    this.#availableEvent = usedRing + RING + USED_ELEMENT_BYTES * size;
    this.#indirect = layout.indirect;
    this.#eventIndex = layout.eventIndex;
    this.#table = memory.window(descriptorTable, DESCRIPTOR_BYTES * size);
    memory.check(availableRing, RING + 2 * size + 2);
    memory.check(usedRing, RING + USED_ELEMENT_BYTES * size + 2);
  }

  /**
   * The next chain that the driver made available; undefined: there is none. After a fault the queue is of no use.
   * @throws GuestMemoryFault, EngineError HK_GUEST_FAULT
   */
  pop(): DescriptorChain | undefined {
    if (this.#next === this.#announced) {
      this.#readAnnounced();
      if (this.#next === this.#announced) return undefined;
    }
    const head = this.memory.readU16(this.#available + RING + 2 * (this.#next & this.#mask));
    const chain = this.#follow(head);
    this.#next = (this.#next + 1) & 0xffff;
    this.#gaveBack = false;
    return chain;
  }

  /**
   * Gives the chain back that was popped last, for devices that can't do with it yet; the next pop answers it again. May
   * be repeated, back to the last chain that was pushed.
   */
  unpop(): void {
    this.#next = (this.#next - 1) & 0xffff;
    this.#gaveBack = true;
  }

  /** Returns a chain to the driver, whose first `writtenBytes` writable bytes were written. */
  push(head: number, writtenBytes: number): void {
    this.stage(head, writtenBytes);
    this.memory.storeU16(this.#used + INDEX, this.#usedIndex);
  }

  /** The same, but the driver sees it only together with the next chain that is pushed: for data that spans several. */
  stage(head: number, writtenBytes: number): void {
    const element = this.#used + RING + USED_ELEMENT_BYTES * (this.#usedIndex & this.#mask);
    this.memory.writeU32(element, head);
    this.memory.writeU32(element + 4, writtenBytes);
    this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
  }

  /** After one or more pushes: interrupts the driver if it wants to know of them. */
  signal(): void {
    const before = this.#signalledIndex;
    const now = this.#usedIndex;
    if (before === now) return;
    this.#signalledIndex = now;
    this.#unsignalledBytes = 0;
    if (this.#eventIndex) {
      const event = this.memory.loadU16(this.#usedEvent);
      if (((now - event - 1) & 0xffff) < ((now - before) & 0xffff)) this.interrupt();
    } else if ((this.memory.loadU16(this.#available) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0) {
      this.interrupt();
    }
  }

  /** After a push that moved `bytes`, when more may follow: if they have become many, the driver goes on meanwhile. */
  signalEarly(bytes: number): void {
    this.#unsignalledBytes += bytes;
    if (this.#unsignalledBytes >= EARLY_SIGNAL_BYTES) this.signal();
  }

  /**
   * The driver need not kick: the ring is being looked at anyway. With EVENT_IDX nothing is to be done: the driver kicks
   * once when it passes avail_event, and then only after {@link wantKicks}.
   */
  suppressKicks(): void {
    if (!this.#eventIndex) this.memory.storeU16(this.#used, VIRTQ_USED_F_NO_NOTIFY);
  }

  /**
   * Asks for a kick at the next chain. True: there are chains already that may never be announced by a kick, go on
   * popping; those that were given back by {@link unpop} are not meant.
   * @throws EngineError HK_GUEST_FAULT
   */
  wantKicks(): boolean {
    const seen = this.#gaveBack ? this.#announced : this.#next;
    if (this.#eventIndex) this.memory.storeU16(this.#availableEvent, seen);
    else this.memory.storeU16(this.#used, 0);
    this.#readAnnounced();
    return this.#announced !== seen;
  }

  /** Stops the device as a throw in VirtioDevice.notified does, but later: for faults that are found at another time. */
  fail(fault: EngineError): void {
    this.host.fail(fault);
  }

  /** Has VirtioDevice.notified called for this queue once more, after others had their turn. */
  again(): void {
    this.host.again();
  }

  #readAnnounced(): void {
    const announced = this.memory.loadU16(this.#available + INDEX);
    if (((announced - this.#next) & 0xffff) > this.size) throw fault('its available index runs ahead of the ring');
    this.#announced = announced;
  }

  #follow(head: number): DescriptorChain {
    const { memory } = this;
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let readableBytes = 0;
    let writableBytes = 0;
    let entries = this.size;
    let table = this.#table;
    let offset = this.#descriptors - table.start;
    let index = head;
    let nested = false;
    let left = Math.min(entries, MAX_CHAIN_LENGTH);
    for (;;) {
      if (left-- === 0) throw fault('a descriptor chain does not end');
      if (index >= entries) throw fault(`descriptor ${index} is not in a table of ${entries}`);
      // The whole descriptor, before it is acted on: none of it is looked at twice.
      const { view } = table;
      const at = offset + DESCRIPTOR_BYTES * index;
      const address = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
      const length = view.getUint32(at + 8, true);
      const flags = view.getUint16(at + 12, true);
      const next = view.getUint16(at + 14, true);
      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
        if (nested || !this.#indirect) throw fault('an indirect descriptor where none may be');
        // A chain may begin with direct descriptors and end with the indirect one (2.7.5.3.2).
        if ((flags & VIRTQ_DESC_F_NEXT) !== 0) throw fault('an indirect descriptor is not the last');
        if (length === 0 || length % DESCRIPTOR_BYTES !== 0) throw fault(`an indirect table of ${length} bytes`);
        table = memory.window(address, length);
        offset = address - table.start;
        nested = true;
        entries = length / DESCRIPTOR_BYTES;
        index = 0;
        left = Math.min(entries, MAX_CHAIN_LENGTH - readable.length - writable.length);
        continue;
      }
      if (length > 0) {
        memory.check(address, length);
        if ((flags & VIRTQ_DESC_F_WRITE) !== 0) {
          writable.push({ address, length });
          writableBytes += length;
        } else {
          if (writable.length > 0) throw fault('a readable descriptor after a writable one');
          readable.push({ address, length });
          readableBytes += length;
        }
        if (readableBytes + writableBytes > MAX_CHAIN_BYTES) throw fault('a descriptor chain of 4 GiB');
      }
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return { head, readable, writable, readableBytes, writableBytes };
      index = next;
    }
  }
}
