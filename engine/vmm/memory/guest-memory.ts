import { EngineError } from '../../errors';

/** One stretch of RAM. */
export interface MemoryRegion {
  readonly guestAddress: number;
  readonly bytes: SharedArrayBuffer;
  /** Which part of `bytes` it is; all of them when left out. */
  readonly part?: { readonly offset: number; readonly length: number };
  /** Where its first byte lies in this process, for the kernel. */
  readonly hostAddress: bigint;
}

/** RAM below this address; the rest of a larger memory begins at 4 GiB (HyperKit's and Firecracker's layout). */
export const LOW_MEMORY_END = 0xc000_0000;
export const HIGH_MEMORY_START = 0x1_0000_0000;

/** An address that is not RAM, or a range that leaves it. */
export class GuestMemoryFault extends EngineError {
  constructor(address: number, length: number) {
    super('HK_GUEST_FAULT', `the guest named ${length} bytes at 0x${address.toString(16)}, which is not its memory`);
  }
}

/** RAM around a range that was asked for: the byte of address `a` is at `a - start` of the view. */
export interface MemoryWindow {
  readonly start: number;
  readonly view: DataView;
}

interface Region extends MemoryWindow {
  readonly end: number;
  readonly host: bigint;
  readonly hostNumber: number;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
}

/**
 * A guest's RAM, and the only way to it: each access is checked against the regions, so that an address from the guest
 * can name nothing else of this process. Every thread makes its own object over the same shared regions. Numbers are
 * little-endian. All methods throw {@link GuestMemoryFault}.
 */
export class GuestMemory {
  readonly #regions: readonly Region[];
  /** The last one that was asked for; the next access is mostly to the same. */
  #recent: Region | undefined;

  constructor(readonly regions: readonly MemoryRegion[]) {
    this.#regions = regions.map(({ guestAddress, bytes, part, hostAddress }) => {
      const { offset, length } = part ?? { offset: 0, length: bytes.byteLength };
      return {
        start: guestAddress,
        end: guestAddress + length,
        host: hostAddress,
        hostNumber: Number(hostAddress),
        bytes: new Uint8Array(bytes, offset, length),
        view: new DataView(bytes, offset, length),
        halves: new Uint16Array(bytes, offset, Math.floor(length / 2)),
      };
    });
  }

  /** The bytes themselves, not a copy. */
  slice(address: number, length: number): Uint8Array {
    const region = this.#find(address, length);
    const offset = address - region.start;
    return region.bytes.subarray(offset, offset + length);
  }

  /** For system calls that read or write guest memory by themselves. */
  hostAddress(address: number, length: number): bigint {
    const region = this.#find(address, length);
    return region.host + BigInt(address - region.start);
  }

  /** The same as a number, exact because user-space addresses end at 2^47; for hot paths. */
  hostPointer(address: number, length: number): number {
    const region = this.#find(address, length);
    return region.hostNumber + (address - region.start);
  }

  /** Only whether the range is memory: it throws when not. */
  check(address: number, length: number): void {
    this.#find(address, length);
  }

  /** For many reads of one range, which is looked up only once; what lies around it is not the caller's business. */
  window(address: number, length: number): MemoryWindow {
    return this.#find(address, length);
  }

  readU16(address: number): number {
    const region = this.#find(address, 2);
    return region.view.getUint16(address - region.start, true);
  }

  readU32(address: number): number {
    const region = this.#find(address, 4);
    return region.view.getUint32(address - region.start, true);
  }

  /** @throws GuestMemoryFault, also when the number is 2^53 or more: no address or length of a guest is. */
  readU64(address: number): number {
    const region = this.#find(address, 8);
    const offset = address - region.start;
    const high = region.view.getUint32(offset + 4, true);
    if (high >= 0x20_0000) throw new GuestMemoryFault(address, 8);
    return high * 0x1_0000_0000 + region.view.getUint32(offset, true);
  }

  writeU8(address: number, value: number): void {
    const region = this.#find(address, 1);
    region.view.setUint8(address - region.start, value);
  }

  writeU16(address: number, value: number): void {
    const region = this.#find(address, 2);
    region.view.setUint16(address - region.start, value, true);
  }

  writeU32(address: number, value: number): void {
    const region = this.#find(address, 4);
    region.view.setUint32(address - region.start, value, true);
  }

  /** Sequentially consistent; `address` is even. For the indices of rings, which the guest's CPUs change meanwhile. */
  loadU16(address: number): number {
    const region = this.#findEven(address);
    return Atomics.load(region.halves, (address - region.start) / 2);
  }

  /** @see loadU16 */
  storeU16(address: number, value: number): void {
    const region = this.#findEven(address);
    Atomics.store(region.halves, (address - region.start) / 2, value);
  }

  #findEven(address: number): Region {
    if ((address & 1) !== 0) throw new GuestMemoryFault(address, 2);
    return this.#find(address, 2);
  }

  #find(address: number, length: number): Region {
    // Written so that NaN and fractions fail, too.
    if (Number.isSafeInteger(address) && Number.isSafeInteger(length) && length >= 0) {
      const recent = this.#recent;
      if (recent !== undefined && address >= recent.start && address <= recent.end - length) return recent;
      for (const region of this.#regions) {
        if (address >= region.start && address <= region.end - length) {
          this.#recent = region;
          return region;
        }
      }
    }
    throw new GuestMemoryFault(address, length);
  }
}
