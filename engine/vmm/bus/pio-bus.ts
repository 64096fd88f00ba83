import { type AccessSize, ALL_ONES, type RegisterDevice } from './register-device';

const PORTS = 0x1_0000;
/** Claims are numbered in bytes, and 0 is nobody's. */
const MAX_CLAIMS = 255;

/** Registers that lie somewhere in the I/O or memory address space, and move. */
export type FindDevice = (address: number) => { readonly device: RegisterDevice; readonly offset: number } | undefined;

interface Claim {
  readonly start: number;
  readonly end: number;
  readonly device: RegisterDevice;
}

/**
 * The 65,536 I/O ports of one vCPU's thread. What nobody claims reads as all ones and swallows writes, as on a PC; such
 * accesses are reported to `onUnclaimed`.
 */
export class PioBus {
  readonly #owner = new Uint8Array(PORTS);
  readonly #claims: Claim[] = [];

  /** @param find asked for ports that nobody has claimed for good: PCI BARs. */
  constructor(
    private readonly find: FindDevice = () => undefined,
    private readonly onUnclaimed: (port: number, size: AccessSize) => void = () => undefined,
  ) {}

  /** Gives ports `start` to `start + length - 1` to a device. @throws RangeError when one is taken: a mistake of the board. */
  claim(start: number, length: number, device: RegisterDevice): void {
    const end = start + length;
    if (start < 0 || length < 1 || end > PORTS || this.#claims.length === MAX_CLAIMS) {
      throw new RangeError(`no room for ports ${start} to ${end - 1}`);
    }
    if (this.#owner.subarray(start, end).some((owner) => owner !== 0)) {
      throw new RangeError(`two devices claim ports between 0x${start.toString(16)} and 0x${(end - 1).toString(16)}`);
    }
    this.#claims.push({ start, end, device });
    this.#owner.fill(this.#claims.length, start, end);
  }

  read(port: number, size: AccessSize): number {
    const claim = this.#claims[(this.#owner[port] as number) - 1];
    if (claim !== undefined && port + size <= claim.end) return claim.device.read(port - claim.start, size);
    if (this.#isMixed(port, size)) {
      let value = 0;
      for (let byte = size - 1; byte >= 0; byte--) value = value * 0x100 + this.read((port + byte) & 0xffff, 1);
      return value;
    }
    const found = this.find(port);
    if (found !== undefined) return found.device.read(found.offset, size);
    this.onUnclaimed(port, size);
    return ALL_ONES[size];
  }

  write(port: number, size: AccessSize, value: number): void {
    const claim = this.#claims[(this.#owner[port] as number) - 1];
    if (claim !== undefined && port + size <= claim.end) {
      claim.device.write(port - claim.start, size, value);
      return;
    }
    if (this.#isMixed(port, size)) {
      for (let byte = 0; byte < size; byte++) this.write((port + byte) & 0xffff, 1, (value >>> (8 * byte)) & 0xff);
      return;
    }
    const found = this.find(port);
    if (found !== undefined) found.device.write(found.offset, size, value);
    else this.onUnclaimed(port, size);
  }

  /** May belong to several devices, or to one and nobody. BARs are aligned, so aligned accesses stay in theirs. */
  #isMixed(port: number, size: AccessSize): boolean {
    if ((port & (size - 1)) !== 0) return true;
    for (let byte = 0; size > 1 && byte < size; byte++) if (this.#owner[port + byte] !== 0) return true;
    return false;
  }
}
