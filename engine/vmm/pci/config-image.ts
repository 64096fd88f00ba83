import {
  BAR_IO,
  BAR0,
  BARS,
  CACHE_LINE_SIZE,
  CAPABILITIES_POINTER,
  CLASS_CODE,
  COMMAND,
  COMMAND_BUS_MASTER,
  COMMAND_INTX_OFF,
  COMMAND_IO,
  COMMAND_MEMORY,
  COMMAND_PARITY,
  COMMAND_SERR,
  CONFIG_BYTES,
  DEVICE_ID,
  HEADER_BYTES,
  INTERRUPT_LINE,
  INTERRUPT_PIN,
  LATENCY_TIMER,
  MSI_BYTES,
  MSI_CONTROL_64_BIT,
  MSI_CONTROL_ON,
  MSI_ID,
  MSIX_BYTES,
  MSIX_CONTROL_MASKED,
  MSIX_CONTROL_ON,
  MSIX_ID,
  MSIX_MAX_VECTORS,
  REVISION_ID,
  STATUS,
  STATUS_CAPABILITIES,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  VENDOR_ID,
} from './config-layout';
import { msixBarBytes } from './msix-table';
import type { BarPlan, PciPlan } from './pci-plan';

/** The configuration space of a plan: 256 bytes as they are at power-on, and which of their bits a guest can change. */
export interface ConfigImage {
  readonly powerOn: Uint8Array;
  readonly writable: Uint8Array;
  readonly capabilityOffsets: readonly number[];
  readonly msiOffset: number | undefined;
  readonly msixOffset: number | undefined;
}

/** All BARs of a plan; the one of the MSI-X table need not be among the plan's. */
export function allBars(plan: PciPlan): readonly BarPlan[] {
  if (plan.msixVectors === 0 || plan.bars.some((bar) => bar.index === plan.msixBar)) return plan.bars;
  return [...plan.bars, { index: plan.msixBar, kind: 'memory', bytes: msixBarBytes(plan.msixVectors) }];
}

/** @throws RangeError for a plan that can't be built. */
export function layOutConfig(plan: PciPlan, bars: readonly BarPlan[]): ConfigImage {
  const powerOn = new Uint8Array(CONFIG_BYTES);
  const writable = new Uint8Array(CONFIG_BYTES);
  const value = new DataView(powerOn.buffer);
  const mask = new DataView(writable.buffer);

  value.setUint16(VENDOR_ID, plan.vendorId, true);
  value.setUint16(DEVICE_ID, plan.deviceId, true);
  value.setUint8(REVISION_ID, plan.revision);
  value.setUint8(CLASS_CODE, plan.classCode & 0xff);
  value.setUint16(CLASS_CODE + 1, plan.classCode >> 8, true);
  value.setUint16(SUBSYSTEM_VENDOR_ID, plan.subsystemVendorId, true);
  value.setUint16(SUBSYSTEM_ID, plan.subsystemId, true);
  value.setUint8(INTERRUPT_PIN, plan.interruptPin ? 1 : 0);
  mask.setUint8(CACHE_LINE_SIZE, 0xff);
  mask.setUint8(LATENCY_TIMER, 0xff);
  mask.setUint8(INTERRUPT_LINE, plan.interruptPin ? 0xff : 0);

  let command = COMMAND_BUS_MASTER | COMMAND_PARITY | COMMAND_SERR | (plan.interruptPin ? COMMAND_INTX_OFF : 0);
  const taken = new Set<number>();
  for (const bar of bars) {
    const least = bar.kind === 'io' ? 4 : 4096;
    const most = bar.kind === 'io' ? 0x1_0000 : 0x2000_0000;
    if (!(bar.index >= 0 && bar.index < BARS) || taken.has(bar.index)) throw new RangeError(`no BAR ${bar.index}`);
    if (Math.log2(bar.bytes) % 1 !== 0 || bar.bytes < least || bar.bytes > most) {
      throw new RangeError(`a BAR of ${bar.bytes} bytes`);
    }
    taken.add(bar.index);
    value.setUint32(BAR0 + 4 * bar.index, bar.kind === 'io' ? BAR_IO : 0, true);
    // An I/O address has 16 bits.
    mask.setUint32(BAR0 + 4 * bar.index, bar.kind === 'io' ? 0x1_0000 - bar.bytes : -bar.bytes, true);
    command |= bar.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY;
  }
  mask.setUint16(COMMAND, command, true);

  let end = HEADER_BYTES;
  let link = CAPABILITIES_POINTER;
  const add = (bytes: Uint8Array): number => {
    const at = end;
    if (at + bytes.length > CONFIG_BYTES) throw new RangeError('capabilities do not fit configuration space');
    powerOn.set(bytes, at);
    powerOn[at + 1] = 0;
    powerOn[link] = at;
    link = at + 1;
    end = (at + bytes.length + 3) & ~3;
    return at;
  };
  const capabilityOffsets = plan.capabilities.map(add);

  let msixOffset: number | undefined;
  if (plan.msixVectors > 0) {
    const bar = bars.find((one) => one.index === plan.msixBar);
    if (plan.msixVectors > MSIX_MAX_VECTORS || bar?.kind !== 'memory' || bar.bytes < msixBarBytes(plan.msixVectors)) {
      throw new RangeError(`${plan.msixVectors} MSI-X vectors do not fit their BAR`);
    }
    msixOffset = add(Uint8Array.from({ length: MSIX_BYTES }, (_, at) => (at === 0 ? MSIX_ID : 0)));
    value.setUint16(msixOffset + 2, plan.msixVectors - 1, true);
    value.setUint32(msixOffset + 4, plan.msixBar, true);
    value.setUint32(msixOffset + 8, (msixBarBytes(plan.msixVectors) / 2) | plan.msixBar, true);
    mask.setUint16(msixOffset + 2, MSIX_CONTROL_ON | MSIX_CONTROL_MASKED, true);
  }
  let msiOffset: number | undefined;
  if (plan.msi) {
    msiOffset = add(Uint8Array.from({ length: MSI_BYTES }, (_, at) => (at === 0 ? MSI_ID : 0)));
    value.setUint16(msiOffset + 2, MSI_CONTROL_64_BIT, true);
    mask.setUint16(msiOffset + 2, MSI_CONTROL_ON, true);
    mask.setUint32(msiOffset + 4, 0xffff_fffc, true);
    mask.setUint32(msiOffset + 8, 0xffff_ffff, true);
    mask.setUint16(msiOffset + 12, 0xffff, true);
  }
  if (end > HEADER_BYTES) value.setUint16(STATUS, STATUS_CAPABILITIES, true);
  return { powerOn, writable, capabilityOffsets, msiOffset, msixOffset };
}
