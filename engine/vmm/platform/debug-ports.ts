import { type AccessSize, ALL_ONES, type RegisterDevice } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';
import type { ByteRing } from './byte-ring';

/** POST codes, and what kernels write to when they need a pause of a microsecond. */
export const POST_PORT = 0x80;
/** The same for EISA; HyperKit answers it, too. */
export const EISA_POST_PORT = 0x84;

/** Swallows writes and reads as ones. Without it, strict I/O would end the machine at the first pause of a kernel. */
export class PostPort extends ByteRegisters {
  protected readByte(): number {
    return 0xff;
  }

  protected writeByte(): void {}
}

/** A port of bhyve's for early boot; the signature tells that it is there. */
export const BVM_CONSOLE = { port: 0x220, signature: 0x6276 } as const;
export const BVM_DEBUGGER = { port: 0x224, signature: 0x4256 } as const;
export const BVM_PORTS = 4;

/**
 * bhyve's bvmcons and bvmdbg: reading 16 bits gives the signature, writing 32 sends the lowest byte, reading 32 takes
 * a byte that came in, or all ones if there is none.
 */
export class BvmPort implements RegisterDevice {
  constructor(
    private readonly signature: number,
    private readonly output: ByteRing,
    private readonly input: ByteRing,
  ) {}

  read(offset: number, size: AccessSize): number {
    if (offset === 0 && size === 2) return this.signature;
    if (offset === 0 && size === 4) return this.#nextByte();
    return ALL_ONES[size];
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset === 0 && size === 4) this.output.push(value & 0xff);
  }

  #nextByte(): number {
    let value: number = ALL_ONES[4];
    this.input.drain(1, (bytes) => {
      value = bytes[0] ?? value;
    });
    return value;
  }
}
