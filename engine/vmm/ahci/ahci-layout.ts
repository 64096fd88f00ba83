import type { PciPlan } from '../pci/pci-plan';

// Serial ATA AHCI 1.3.1. Names are the specification's. The controller has one port, number 0.

/** The registers' BAR. */
export const ABAR = 5;
export const ABAR_BYTES = 4096;

// Generic host control (3.1).
export const CAP = 0x00;
export const GHC = 0x04;
export const IS = 0x08;
export const PI = 0x0c;
export const VS = 0x10;

export const GHC_HR = 0x0000_0001;
export const GHC_IE = 0x0000_0002;
export const GHC_AE = 0x8000_0000;

/** One port, 32 command slots, AHCI mode only, 6 Gbit/s, command list override, 64-bit addresses. */
export const CAPABILITIES = 0x8000_0000 + 0x0100_0000 + (3 << 20) + (1 << 18) + (31 << 8);
export const PORTS_IMPLEMENTED = 1;
export const VERSION_1_3 = 0x0001_0300;
export const SLOTS = 32;

// Port registers (3.3), from the start of the ABAR.
export const PX = 0x100;
export const PX_CLB = PX + 0x00;
export const PX_CLBU = PX + 0x04;
export const PX_FB = PX + 0x08;
export const PX_FBU = PX + 0x0c;
export const PX_IS = PX + 0x10;
export const PX_IE = PX + 0x14;
export const PX_CMD = PX + 0x18;
export const PX_TFD = PX + 0x20;
export const PX_SIG = PX + 0x24;
export const PX_SSTS = PX + 0x28;
export const PX_SCTL = PX + 0x2c;
export const PX_SERR = PX + 0x30;
export const PX_CI = PX + 0x38;

/** Interrupt causes (3.3.5). */
export const IS_DHRS = 0x0000_0001;
export const IS_PSS = 0x0000_0002;
export const IS_PCS = 0x0000_0040;
export const IS_HBFS = 0x2000_0000;
export const IS_TFES = 0x4000_0000;
export const IE_BITS = 0xfdc0_00ff;

export const CMD_ST = 0x0000_0001;
export const CMD_SUD = 0x0000_0002;
export const CMD_POD = 0x0000_0004;
export const CMD_CLO = 0x0000_0008;
export const CMD_FRE = 0x0000_0010;
export const CMD_CCS_SHIFT = 8;
export const CMD_CCS = 0x0000_1f00;
export const CMD_FR = 0x0000_4000;
export const CMD_CR = 0x0000_8000;
export const CMD_ATAPI = 0x0100_0000;

/** A device is there and the link is up, at 6 Gbit/s (3.3.10). */
export const SSTS_UP = 0x133;
export const SSTS_NO_LINK = 0;
export const SCTL_DET = 0x0f;
export const SCTL_DET_RESET = 1;
export const SCTL_BITS = 0xfff;
/** "Exchanged": the device has come up anew. */
export const SERR_DIAG_X = 0x0400_0000;

// Task file: status in bits 0-7, error in bits 8-15 (ATA8-ACS).
export const ATA_BSY = 0x80;
export const ATA_DRDY = 0x40;
export const ATA_DSC = 0x10;
export const ATA_DRQ = 0x08;
export const ATA_ERR = 0x01;
export const ERROR_ABRT = 0x04;
export const ERROR_IDNF = 0x10;
export const ERROR_UNC = 0x40;
/** Diagnostics passed: what the error register holds after a reset. */
export const ERROR_DIAGNOSED = 0x01;

/** HyperKit's numbers: an Intel ICH8M. */
export function ahciPlan(slot: number, func: number): PciPlan {
  return {
    slot,
    func,
    vendorId: 0x8086,
    deviceId: 0x2821,
    subsystemVendorId: 0,
    subsystemId: 0,
    classCode: 0x01_0601,
    revision: 0,
    bars: [{ index: ABAR, kind: 'memory', bytes: ABAR_BYTES }],
    capabilities: [],
    msixVectors: 0,
    msixBar: 0,
    msi: true,
    interruptPin: true,
  };
}
