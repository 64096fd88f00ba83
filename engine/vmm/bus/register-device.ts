/** Bytes of one access to a device's registers. Wider ones are cut in two by the bus. */
export type AccessSize = 1 | 2 | 4;

/** What an access reads where there is nothing, by its size. */
export const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

/**
 * A device as the CPU sees it: registers at I/O ports or in memory. It is answered by the very thread whose vCPU made
 * the access, so there is one object of it per vCPU thread; whatever a guest may change is in shared memory, and the
 * board's lock is held during each call. Calls neither wait nor throw: what a guest does wrong is answered as hardware
 * would.
 */
export interface RegisterDevice {
  /** `offset` counts from the start of the range; it lies within, and so does `offset + size`. Answers an unsigned number. */
  read(offset: number, size: AccessSize): number;
  /** `value` is unsigned. */
  write(offset: number, size: AccessSize, value: number): void;
}

/** Interrupt inputs of the board's in-kernel controllers. Usable in every thread. */
export interface InterruptLines {
  /** Drives input `gsi` (0 to 15: PIC and IOAPIC; 16 to 23: IOAPIC only). An edge is true, then false. */
  set(gsi: number, level: boolean): void;
}

/** Message-signalled interrupts. Usable in every thread. */
export interface MessageInterrupts {
  send(addressLow: number, addressHigh: number, data: number): void;
}

/** What a device may ask of its machine. Usable in every thread; it is done after the access that asked. */
export interface MachineRequests {
  /** The guest switched itself off (ACPI S5). */
  powerOff(): void;
  /** The guest asked for a reset. */
  reset(): void;
}
