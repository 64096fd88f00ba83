import { MSRS } from '../../../native/kvm';

/**
 * Model-specific registers as firmware would leave them (Intel SDM volume 4): memory is write-back where no MTRR says
 * otherwise, string instructions are fast, nothing else is set up. KVM decides by CPUID which exist, so CPUID comes first.
 */
const BOOT_MSRS: readonly (readonly [index: number, value: bigint])[] = [
  [0x174, 0n], // IA32_SYSENTER_CS
  [0x175, 0n], // IA32_SYSENTER_ESP
  [0x176, 0n], // IA32_SYSENTER_EIP
  [0xc000_0081, 0n], // STAR
  [0xc000_0082, 0n], // LSTAR
  [0xc000_0083, 0n], // CSTAR
  [0xc000_0084, 0n], // SFMASK
  [0xc000_0102, 0n], // KERNEL_GS_BASE
  [0x10, 0n], // TSC
  [0x1a0, 1n], // IA32_MISC_ENABLE: fast strings
  [0x2ff, 0x806n], // IA32_MTRR_DEF_TYPE: enabled, write-back
];

export const BOOT_MSR_COUNT = BOOT_MSRS.length;

/** struct kvm_msrs for KVM_SET_MSRS. */
export function encodeBootMsrs(): Uint8Array {
  const bytes = new Uint8Array(MSRS.header + BOOT_MSRS.length * MSRS.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, BOOT_MSRS.length, true);
  for (const [number, [index, value]] of BOOT_MSRS.entries()) {
    const at = MSRS.header + number * MSRS.size;
    view.setUint32(at + MSRS.index, index, true);
    view.setBigUint64(at + MSRS.data, value, true);
  }
  return bytes;
}

/** Which register a KVM_SET_MSRS that stopped early stopped at. */
export function bootMsrName(number: number): string {
  return `0x${BOOT_MSRS[number]?.[0].toString(16) ?? '?'}`;
}
