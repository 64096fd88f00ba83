import type { MachineRequests } from '../bus/register-device';
import { ByteRegisters } from './byte-registers';

/** Lies among the ports of PCI configuration; see PciBus. */
export const RESET_CONTROL_PORT = 0xcf9;
/** What a guest writes for a hard reset; also in the FADT. */
export const HARD_RESET = 0x06;

const SYSTEM_RESET = 0x02;
const RESET_CPU = 0x04;

/** The reset control register (Intel ICH, "RST_CNT"): a write that sets bit 2 resets the machine. */
export class ResetControl extends ByteRegisters {
  static readonly STATE_BYTES = 1;
  readonly #state: Uint8Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly requests: MachineRequests,
  ) {
    super();
    this.#state = new Uint8Array(shared, 0, ResetControl.STATE_BYTES);
  }

  /** Power-on. */
  reset(): void {
    this.#state[0] = 0;
  }

  protected readByte(): number {
    return this.#state[0] as number;
  }

  protected writeByte(_offset: number, value: number): void {
    this.#state[0] = value & SYSTEM_RESET;
    if ((value & RESET_CPU) !== 0) this.requests.reset();
  }
}
