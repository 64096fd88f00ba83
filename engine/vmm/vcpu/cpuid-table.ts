import { CPUID } from '../../../native/kvm';

/** What CPUID answers to one question. Numbers are unsigned. */
export interface CpuidEntry {
  readonly function: number;
  readonly index: number;
  /** KVM_CPUID_FLAG_*; 1: `index` counts. */
  readonly flags: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** More entries than KVM takes (KVM_MAX_CPUID_ENTRIES). */
export const CPUID_MAX_ENTRIES = 256;

/** struct kvm_cpuid2 with room for {@link CPUID_MAX_ENTRIES}, as KVM_GET_SUPPORTED_CPUID wants it. */
export function emptyCpuidTable(): Uint8Array {
  const bytes = new Uint8Array(CPUID.header + CPUID_MAX_ENTRIES * CPUID.size);
  new DataView(bytes.buffer).setUint32(0, CPUID_MAX_ENTRIES, true);
  return bytes;
}

export function decodeCpuidTable(bytes: Uint8Array): CpuidEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.min(view.getUint32(0, true), CPUID_MAX_ENTRIES);
  return Array.from({ length: count }, (_, number) => {
    const at = CPUID.header + number * CPUID.size;
    const field = (offset: number): number => view.getUint32(at + offset, true);
    return {
      function: field(CPUID.function),
      index: field(CPUID.index),
      flags: field(CPUID.flags),
      eax: field(CPUID.eax),
      ebx: field(CPUID.ebx),
      ecx: field(CPUID.ecx),
      edx: field(CPUID.edx),
    };
  });
}

export function encodeCpuidTable(entries: readonly CpuidEntry[]): Uint8Array {
  const bytes = new Uint8Array(CPUID.header + entries.length * CPUID.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, entries.length, true);
  for (const [number, entry] of entries.entries()) {
    const at = CPUID.header + number * CPUID.size;
    for (const name of ['function', 'index', 'flags', 'eax', 'ebx', 'ecx', 'edx'] as const) {
      view.setUint32(at + CPUID[name], entry[name], true);
    }
  }
  return bytes;
}
