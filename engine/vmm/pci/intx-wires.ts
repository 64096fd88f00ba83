import type { AccessSize, InterruptLines, RegisterDevice } from '../bus/register-device';

/** The first of the eight IOAPIC inputs that PCI's interrupt pins are wired to. */
export const INTX_FIRST_GSI = 16;
const WIRES = 8;
/** Interrupts of the PIC that a wire may be routed to: 3 to 7, 9 to 12, 14, 15. HyperKit's mask. */
export const PIRQ_PERMITTED = 0xdef8;
export const PIRQ_DISABLED = 0x80;

const S_ROUTES = WIRES;

/** INTA# of a slot: IOAPIC input 16 + (slot mod 8). */
export function intxGsi(slot: number): number {
  return INTX_FIRST_GSI + (slot % WIRES);
}

/**
 * The wires between PCI's interrupt pins and the interrupt controllers. Several functions share one, so a wire is on
 * while any of them drives it: callers tell of changes only. A wire ends at its IOAPIC input, and at the PIC as the
 * LPC bridge's PIRQ registers say (for kernels that don't use the IOAPIC). Other inputs pass through.
 *
 * Layout: 8 i32 how many drive each wire, 8 i32 PIRQ route registers.
 */
export class IntxWires implements InterruptLines {
  static readonly STATE_BYTES = 2 * WIRES * 4;
  /** The eight PIRQ route registers, as bytes. */
  readonly routes: RegisterDevice;
  readonly #state: Int32Array;

  constructor(
    shared: SharedArrayBuffer,
    private readonly lines: InterruptLines,
  ) {
    this.#state = new Int32Array(shared, 0, 2 * WIRES);
    this.routes = {
      read: (offset, size) => this.#readRoutes(offset, size),
      write: (offset, size, value) => this.#writeRoutes(offset, size, value),
    };
  }

  /** Power-on: nobody drives, nothing is routed to the PIC. */
  reset(): void {
    for (let wire = 0; wire < WIRES; wire++) {
      this.#state[wire] = 0;
      this.#state[S_ROUTES + wire] = PIRQ_DISABLED;
      this.lines.set(INTX_FIRST_GSI + wire, false);
    }
  }

  set(gsi: number, level: boolean): void {
    const wire = gsi - INTX_FIRST_GSI;
    if (wire < 0 || wire >= WIRES) {
      this.lines.set(gsi, level);
      return;
    }
    const drivers = Math.max(0, this.#get(wire) + (level ? 1 : -1));
    this.#state[wire] = drivers;
    if (drivers > (level ? 1 : 0)) return;
    this.lines.set(gsi, level);
    this.#drivePic(this.#get(S_ROUTES + wire));
  }

  #get(index: number): number {
    return this.#state[index] as number;
  }

  #readRoutes(offset: number, size: AccessSize): number {
    let value = 0;
    for (let at = 0; at < size; at++) value |= this.#get(S_ROUTES + offset + at) << (8 * at);
    return value >>> 0;
  }

  #writeRoutes(offset: number, size: AccessSize, value: number): void {
    for (let at = 0; at < size; at++) {
      const wire = offset + at;
      const before = this.#get(S_ROUTES + wire);
      const after = (value >>> (8 * at)) & (PIRQ_DISABLED | 0x0f);
      if (after === before) continue;
      this.#state[S_ROUTES + wire] = after;
      if (this.#get(wire) === 0) continue;
      this.#drivePic(before);
      this.#drivePic(after);
    }
  }

  /** Sets the PIC's input of a route to whether any wire with this route is on. */
  #drivePic(route: number): void {
    if ((route & PIRQ_DISABLED) !== 0 || ((PIRQ_PERMITTED >> route) & 1) === 0) return;
    let level = false;
    for (let wire = 0; wire < WIRES; wire++) {
      if (this.#get(S_ROUTES + wire) === route && this.#get(wire) > 0) level = true;
    }
    this.lines.set(route, level);
  }
}
