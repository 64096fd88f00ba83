import type { FindDevice } from './pio-bus';
import type { AccessSize } from './register-device';

/**
 * Memory that isn't RAM, as one vCPU's thread sees it. What nobody answers reads as all ones and swallows writes.
 * Accesses of 8 bytes are cut in two, and so are those of the odd sizes that string instructions can make.
 */
export class MmioBus {
  constructor(private readonly find: FindDevice) {}

  /** Fills `data` with what lies at `address`. */
  read(address: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const size = pieceAt(data.length - done);
      const found = this.find(address + done);
      const value = found === undefined ? 0xffff_ffff : found.device.read(found.offset, size);
      for (let byte = 0; byte < size; byte++) data[done + byte] = value >>> (8 * byte);
      done += size;
    }
  }

  write(address: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const size = pieceAt(data.length - done);
      let value = 0;
      for (let byte = size - 1; byte >= 0; byte--) value = value * 0x100 + (data[done + byte] as number);
      const found = this.find(address + done);
      found?.device.write(found.offset, size, value);
      done += size;
    }
  }
}

function pieceAt(left: number): AccessSize {
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}
