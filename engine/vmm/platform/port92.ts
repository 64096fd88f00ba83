import type { MachineRequests } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';

export const PORT92 = 0x92;

const FAST_RESET = 0x01;
const A20 = 0x02;

/** System control port A: bit 0 resets, bit 1 is kept (address line 20 is always on here). */
export class Port92 extends ByteRegisters {
  static readonly STATE_BYTES = 1;
  readonly #state: Uint8Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly requests: MachineRequests,
  ) {
    super();
    this.#state = new Uint8Array(shared, 0, Port92.STATE_BYTES);
  }

  /** Power-on. */
  reset(): void {
    this.#state[0] = A20;
  }

  protected readByte(): number {
    return this.#state[0] as number;
  }

  protected writeByte(_offset: number, value: number): void {
    this.#state[0] = value & ~FAST_RESET;
    if ((value & FAST_RESET) !== 0) this.requests.reset();
  }
}
