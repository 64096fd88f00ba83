import type { AccessSize, RegisterDevice } from '../bus/register-device';

/** A device whose registers are bytes. Wider accesses are cut in bytes, the lowest address first, as the ISA bus does. */
export abstract class ByteRegisters implements RegisterDevice {
  protected abstract readByte(offset: number): number;
  protected abstract writeByte(offset: number, value: number): void;

  read(offset: number, size: AccessSize): number {
    let value = this.readByte(offset);
    for (let at = 1; at < size; at++) value |= this.readByte(offset + at) << (8 * at);
    return value >>> 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    for (let at = 0; at < size; at++) this.writeByte(offset + at, (value >>> (8 * at)) & 0xff);
  }
}
