import type { PciPlan } from '../pci/pci-plan';

/** What the tables of a firmware tell a guest about its machine. */
export interface FirmwareBoard {
  readonly vcpus: number;
  readonly memoryBytes: number;
  /** 36 characters. */
  readonly uuid: string;
  readonly pci: readonly PciPlan[];
  /** COM1 and COM2 are there. */
  readonly serialPorts: boolean;
}

/** Bytes for a guest's memory. */
export interface MemoryImage {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export const LOCAL_APIC_ADDRESS = 0xfee0_0000;
export const IO_APIC_ADDRESS = 0xfec0_0000;
export const IO_APIC_ID = 0;
/** HyperKit's names: guests' DMI and ACPI quirks know them. */
export const OEM_ID = 'BHYVE ';

/** Slots with an interrupt pin, each once. All functions of a slot share its INTA#. */
export function interruptingSlots(board: FirmwareBoard): readonly number[] {
  const slots = board.pci.filter((plan) => plan.interruptPin).map((plan) => plan.slot);
  return [...new Set(slots)].sort((one, other) => one - other);
}

/** The LPC bridge, which has the PIRQ registers. */
export function lpcBridge(board: FirmwareBoard): PciPlan | undefined {
  return board.pci.find((plan) => plan.classCode === 0x06_0100);
}

/** The byte that makes the sum of all bytes zero. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}
