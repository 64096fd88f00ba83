import type { FirmwareBoard } from '../../../../../engine/vmm/firmware/firmware-board';
import { hostBridgePlan, lpcBridgePlan } from '../../../../../engine/vmm/pci/known-functions';
import type { PciPlan } from '../../../../../engine/vmm/pci/pci-plan';

function device(slot: number, func = 0): PciPlan {
  return { ...hostBridgePlan(slot, func, 'hyperkit'), vendorId: 0x1af4, deviceId: 0x1041, interruptPin: true };
}

const uuid = '01020304-0506-0708-090a-0b0c0d0e0f10';

/** As the Go binding lays a machine out. */
export const usual: FirmwareBoard = {
  vcpus: 2,
  memoryBytes: 2 ** 30,
  uuid,
  pci: [
    hostBridgePlan(0, 0, 'hyperkit'),
    ...[1, 2, 3, 4].map((slot) => device(slot)),
    device(4, 1),
    lpcBridgePlan(31, 0),
  ],
  serialPorts: true,
};

export const bare: FirmwareBoard = { vcpus: 1, memoryBytes: 64 * 2 ** 20, uuid, pci: [], serialPorts: false };

export const full: FirmwareBoard = {
  vcpus: 64,
  memoryBytes: 64 * 2 ** 30,
  uuid,
  pci: [...Array.from({ length: 31 }, (_, slot) => device(slot)), lpcBridgePlan(31, 0)],
  serialPorts: true,
};

export const withoutLpc: FirmwareBoard = { ...usual, pci: usual.pci.slice(0, -1) };
