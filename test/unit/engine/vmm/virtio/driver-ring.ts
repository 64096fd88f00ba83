import koffi from 'koffi';
import { GuestMemory, type MemoryRegion } from '../../../../../engine/vmm/memory/guest-memory';
import type { VirtqueueLayout } from '../../../../../engine/vmm/virtio/virtqueue';

/** RAM of a guest that never runs; its host address is real, so that system calls reach it. */
export function fakeRegion(sizeBytes: number, guestAddress = 0): MemoryRegion {
  const bytes = new SharedArrayBuffer(sizeBytes);
  return { guestAddress, bytes, hostAddress: koffi.address(new Uint8Array(bytes)) };
}

export function fakeMemory(sizeBytes: number, guestAddress = 0): GuestMemory {
  return new GuestMemory([fakeRegion(sizeBytes, guestAddress)]);
}

/** A descriptor as it lies in memory. */
export interface RawDescriptor {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

export function writeDescriptor(memory: GuestMemory, address: number, descriptor: RawDescriptor): void {
  memory.writeU32(address, descriptor.address % 0x1_0000_0000);
  memory.writeU32(address + 4, Math.floor(descriptor.address / 0x1_0000_0000));
  memory.writeU32(address + 8, descriptor.length);
  memory.writeU16(address + 12, descriptor.flags);
  memory.writeU16(address + 14, descriptor.next);
}

/** What the driver of a request remembers of it. */
export interface Request {
  readonly head: number;
  /** Where the writable buffers are, in order. */
  readonly writable: ReadonlyArray<{ readonly address: number; readonly length: number }>;
}

/** A request that came back. */
export interface Completion {
  readonly head: number;
  /** As the device says. */
  readonly written: number;
  /** All writable bytes, one buffer after the other. */
  readonly bytes: Uint8Array;
}

export interface DriverRingOptions {
  readonly size?: number;
  readonly indirect?: boolean;
  readonly eventIndex?: boolean;
  /** Where the rings begin; buffers come after them, up to `base + bytes`. */
  readonly base?: number;
  readonly bytes?: number;
}

/**
 * A driver's side of a split virtqueue: it builds rings, descriptors and buffers in guest memory as a guest does. Buffers
 * are taken from a simple stack that starts again when nothing is under way.
 */
export class DriverRing {
  readonly layout: VirtqueueLayout;
  readonly #buffers: number;
  readonly #end: number;
  #free: number;
  #available = 0;
  #used = 0;
  #kickedAt = 0;
  readonly #idle: number[];
  readonly #underWay = new Map<number, { readonly request: Request; readonly descriptors: readonly number[] }>();

  constructor(
    readonly memory: GuestMemory,
    { size = 16, indirect = false, eventIndex = false, base = 0x1000, bytes = 0x10_0000 }: DriverRingOptions = {},
  ) {
    const availableRing = base + 16 * size;
    const usedRing = Math.ceil((availableRing + 6 + 2 * size) / 4) * 4;
    this.layout = { size, descriptorTable: base, availableRing, usedRing, indirect, eventIndex };
    this.#buffers = Math.ceil((usedRing + 6 + 8 * size) / 16) * 16;
    this.#free = this.#buffers;
    this.#end = base + bytes;
    this.#idle = Array.from({ length: size }, (_, index) => index);
    memory.slice(base, this.#buffers - base).fill(0);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Bytes of guest memory, 16-aligned or `skew` bytes after that. */
  allocate(length: number, skew = 0): number {
    const address = this.#free + skew;
    this.#free = Math.ceil((address + length) / 16) * 16;
    if (this.#free > this.#end) throw new RangeError('the driver is out of buffers');
    return address;
  }

  /** Makes a chain of buffers available. `readable` are the contents, `writable` the lengths. It may not be kicked for yet. */
  add(readable: readonly Uint8Array[], writable: readonly number[], { indirect = false } = {}): Request {
    const out = readable.map((bytes) => {
      const address = this.allocate(bytes.length);
      this.memory.slice(address, bytes.length).set(bytes);
      return { address, length: bytes.length, flags: 0 };
    });
    const into = writable.map((length) => {
      const address = this.allocate(length);
      this.memory.slice(address, length).fill(0xee);
      return { address, length, flags: WRITE };
    });
    const all = [...out, ...into];
    let descriptors: number[];
    if (indirect) {
      const table = this.allocate(16 * all.length);
      for (const [index, one] of all.entries()) {
        const last = index === all.length - 1;
        const descriptor = { ...one, flags: one.flags | (last ? 0 : NEXT), next: last ? 0 : index + 1 };
        writeDescriptor(this.memory, table + 16 * index, descriptor);
      }
      descriptors = this.#take(1);
      this.#describe(descriptors[0]!, { address: table, length: 16 * all.length, flags: INDIRECT, next: 0 });
    } else {
      descriptors = this.#take(all.length);
      for (const [index, one] of all.entries()) {
        const next = descriptors[index + 1];
        this.#describe(descriptors[index]!, {
          ...one,
          flags: one.flags | (next === undefined ? 0 : NEXT),
          next: next ?? 0,
        });
      }
    }
    const request = { head: descriptors[0]!, writable: into };
    this.#underWay.set(request.head, { request, descriptors });
    this.announce(request.head);
    return request;
  }

  /** Puts a head into the available ring, whatever it is. */
  announce(head: number): void {
    const { availableRing, size } = this.layout;
    this.memory.writeU16(availableRing + 4 + 2 * (this.#available % size), head);
    this.#available = (this.#available + 1) & 0xffff;
    this.memory.storeU16(availableRing + 2, this.#available);
  }

  /** Whether the device asked for a kick since the last call (2.7.10). */
  needsKick(): boolean {
    const { usedRing, size, eventIndex } = this.layout;
    const before = this.#kickedAt;
    this.#kickedAt = this.#available;
    if (!eventIndex) return before !== this.#available && this.memory.loadU16(usedRing) === 0;
    const event = this.memory.loadU16(usedRing + 4 + 8 * size);
    return ((this.#available - event - 1) & 0xffff) < ((this.#available - before) & 0xffff);
  }

  /** Interrupts are wanted from the next completion on, or not at all. */
  wantInterrupts(wanted: boolean): void {
    const { availableRing, size, eventIndex } = this.layout;
    // An event that lies just behind is not reached for 65,535 completions.
    if (eventIndex) this.memory.storeU16(availableRing + 4 + 2 * size, wanted ? this.#used : (this.#used - 1) & 0xffff);
    else this.memory.storeU16(availableRing, wanted ? 0 : 1);
  }

  /** What the device has returned since the last call. A head that isn't under way throws: the device made it up. */
  collect(): Completion[] {
    const { usedRing, size } = this.layout;
    const index = this.memory.loadU16(usedRing + 2);
    const done: Completion[] = [];
    while (this.#used !== index) {
      const element = usedRing + 4 + 8 * (this.#used % size);
      this.#used = (this.#used + 1) & 0xffff;
      const head = this.memory.readU32(element);
      const found = this.#underWay.get(head);
      if (found === undefined) throw new Error(`the device returned chain ${head}, which it had not`);
      this.#underWay.delete(head);
      this.#idle.push(...found.descriptors);
      done.push({ head, written: this.memory.readU32(element + 4), bytes: this.bytesOf(found.request) });
    }
    if (this.#underWay.size === 0) this.#free = this.#buffers;
    return done;
  }

  bytesOf({ writable }: Request): Uint8Array {
    return Buffer.concat(writable.map(({ address, length }) => this.memory.slice(address, length)));
  }

  #take(count: number): number[] {
    if (count > this.#idle.length) throw new RangeError('the driver is out of descriptors');
    return this.#idle.splice(0, count);
  }

  #describe(index: number, descriptor: RawDescriptor): void {
    writeDescriptor(this.memory, this.layout.descriptorTable + 16 * index, descriptor);
  }
}
