import type { CpuidEntry } from './cpuid-table';

/** What distinguishes one vCPU's answers from what KVM supports at all. */
export interface CpuidWishes {
  readonly apicId: number;
  readonly vcpus: number;
  readonly x2apic: boolean;
  /** KVM_CAP_TSC_DEADLINE_TIMER: not in KVM's own table, since user space may have the APIC. */
  readonly tscDeadline: boolean;
}

type Registers = Pick<CpuidEntry, 'eax' | 'ebx' | 'ecx' | 'edx'>;

const INDEX_COUNTS = 1;
/** Level types of leaf 0xB, ECX[15:8]. */
const LEVEL_SMT = 1;
const LEVEL_CORE = 2;

// Leaf 1 (Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E).
const ECX_VMX = 1 << 5;
const ECX_PDCM = 1 << 15;
const ECX_X2APIC = 1 << 21;
const ECX_TSC_DEADLINE = 1 << 24;
const ECX_HYPERVISOR = 1 << 31;
const EDX_HTT = 1 << 28;
/** Leaf 6: Energy performance bias and turbo have MSRs behind them that KVM hasn't. */
const EAX_TURBO = 1 << 1;
const ECX_EPB = 1 << 3;
/** Leaf 0x80000001: nested virtualisation. */
const ECX_SVM = 1 << 2;

/**
 * One socket, a core for each vCPU, one thread per core: whatever KVM supports, seen from that core. Features whose
 * MSRs or nested guests we don't offer are hidden.
 */
export function fixCpuid(supported: readonly CpuidEntry[], wishes: CpuidWishes): CpuidEntry[] {
  const fixed = supported
    .filter((entry) => !isTopologyLeaf(entry.function))
    .map((entry) => ({ ...entry, ...unsigned(fixEntry(entry, wishes)) }));
  const highest = supported.find((entry) => entry.function === 0)?.eax ?? 0;
  return [...fixed, ...[0xb, 0x1f].filter((leaf) => leaf <= highest).flatMap((leaf) => topologyLevels(leaf, wishes))];
}

function isTopologyLeaf(leaf: number): boolean {
  return leaf === 0xb || leaf === 0x1f;
}

function fixEntry(entry: CpuidEntry, { apicId, vcpus, x2apic, tscDeadline }: CpuidWishes): Partial<Registers> {
  const { eax, ebx, ecx, edx } = entry;
  switch (entry.function) {
    case 0x1: {
      const shown = (ecx & ~(ECX_VMX | ECX_PDCM | ECX_X2APIC | ECX_TSC_DEADLINE)) | ECX_HYPERVISOR;
      return {
        // EBX: APIC id, APIC ids of the package, CLFLUSH line in 8 bytes, brand.
        ebx: ((apicId & 0xff) << 24) | ((roomFor(vcpus) & 0xff) << 16) | (8 << 8) | (ebx & 0xff),
        ecx: shown | (x2apic ? ecx & ECX_X2APIC : 0) | (tscDeadline ? ECX_TSC_DEADLINE : 0),
        edx: vcpus > 1 ? edx | EDX_HTT : edx & ~EDX_HTT,
      };
    }
    case 0x4:
      return { eax: fixIntelCache(eax, vcpus) };
    case 0x6:
      return { eax: eax & ~EAX_TURBO, ecx: ecx & ~ECX_EPB };
    case 0xa:
      // Without a version there are no counters.
      return (eax & 0xff) < 2 ? { eax: 0, ebx: 0, ecx: 0, edx: 0 } : {};
    case 0x8000_0001:
      return { ecx: ecx & ~ECX_SVM };
    case 0x8000_0008:
      // AMD: cores - 1, and bits of an APIC id that name the core.
      return ecx === 0 ? {} : { ecx: (ecx & ~0xf0ff) | ((vcpus - 1) & 0xff) | (idBits(vcpus) << 12) };
    case 0x8000_001d:
      return { eax: fixSharing(eax, vcpus) };
    case 0x8000_001e:
      // Extended APIC id; core id and one thread of it; one node, number 0.
      return { eax: apicId, ebx: apicId & 0xff, ecx: 0 };
    default:
      return {};
  }
}

/** Leaf 4 EAX: 25:14 threads that share the cache - 1, 31:26 cores in the package - 1. */
function fixIntelCache(eax: number, vcpus: number): number {
  if ((eax & 0x1f) === 0) return eax;
  return (fixSharing(eax, vcpus) & 0x03ff_ffff) | (Math.min(roomFor(vcpus) - 1, 0x3f) << 26);
}

/** EAX[7:5] is the cache's level: the first two belong to a core, others to the socket. */
function fixSharing(eax: number, vcpus: number): number {
  const level = (eax >>> 5) & 0x7;
  const sharing = level < 3 ? 0 : Math.min(roomFor(vcpus) - 1, 0xfff);
  return (eax & ~(0xfff << 14)) | (sharing << 14);
}

/** Leaves 0xB and 0x1F: one thread per core, then the cores; a level of type 0 ends them. */
function topologyLevels(leaf: number, { apicId, vcpus }: CpuidWishes): CpuidEntry[] {
  const base = { function: leaf, flags: INDEX_COUNTS, edx: apicId };
  return [
    { ...base, index: 0, eax: 0, ebx: 1, ecx: LEVEL_SMT << 8 },
    { ...base, index: 1, eax: idBits(vcpus), ebx: vcpus, ecx: (LEVEL_CORE << 8) | 1 },
    { ...base, index: 2, eax: 0, ebx: 0, ecx: 2 },
  ];
}

/** Bits of an APIC id that tell cores apart. */
function idBits(vcpus: number): number {
  return Math.ceil(Math.log2(vcpus));
}

function roomFor(vcpus: number): number {
  return 2 ** idBits(vcpus);
}

function unsigned(registers: Partial<Registers>): Partial<Registers> {
  return Object.fromEntries(Object.entries(registers).map(([name, value]) => [name, value >>> 0]));
}
