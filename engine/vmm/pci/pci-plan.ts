/** A stretch of registers that the guest can place. Bytes are a power of two; memory ones are at least 4096. */
export interface BarPlan {
  /** 0 to 5. */
  readonly index: number;
  readonly kind: 'memory' | 'io';
  readonly bytes: number;
}

/** What a PCI function is, as plain data. Numbers as in PCI Local Bus 3.0, chapter 6. */
export interface PciPlan {
  readonly slot: number;
  readonly func: number;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** Class, subclass, interface: 24 bits. */
  readonly classCode: number;
  readonly revision: number;
  readonly bars: readonly BarPlan[];
  /** Each begins with its id and a byte for the link to the next, which the function fills in. */
  readonly capabilities: readonly Uint8Array[];
  /** Vectors of the MSI-X table, which gets the memory BAR `msixBar` for itself; 0: none. */
  readonly msixVectors: number;
  readonly msixBar: number;
  /** One MSI vector is offered (for devices whose drivers don't know MSI-X). */
  readonly msi: boolean;
  /** The function may drive INTA. */
  readonly interruptPin: boolean;
}
