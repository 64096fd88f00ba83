import { DTABLE, REGS, SEGMENT, SREGS } from '../../../native/kvm';
import type { EntryState } from '../boot/entry-state';
import { CODE_SELECTOR, DATA_SELECTOR, GDT_BYTES, TASK_SELECTOR } from '../boot/gdt';
import { PAGE_TABLES_ADDRESS } from '../boot/layout';

type Loaded = Exclude<EntryState, { mode: 'reset' }>;

// Intel SDM volume 3, 2.5 and 4.1.
const CR0_PE = 0x1n;
const CR0_ET = 0x10n;
const CR0_NE = 0x20n;
const CR0_PG = 0x8000_0000n;
const CR4_PAE = 0x20n;
const EFER_LME_LMA = 0x500n;
/** Bit 1 is always set; interrupts are off. */
const RFLAGS = 0x2n;

const CODE_EXECUTE_READ_ACCESSED = 11;
const DATA_READ_WRITE_ACCESSED = 3;
const TASK_BUSY = 11;

/** Changes struct kvm_sregs, as KVM made it, to what an entry state wants. */
export function applyEntrySregs(sregs: Uint8Array, { mode, gdtAddress }: Loaded): void {
  const view = new DataView(sregs.buffer, sregs.byteOffset, sregs.byteLength);
  const long = mode === 'long';
  const segment = (at: number, selector: number, type: number, bits: { db: number; s: number; l: number }): void => {
    sregs.fill(0, at, at + SEGMENT.size);
    view.setUint32(at + SEGMENT.limit, 0xffff_ffff, true);
    view.setUint16(at + SEGMENT.selector, selector, true);
    sregs[at + SEGMENT.type] = type;
    sregs[at + SEGMENT.present] = 1;
    sregs[at + SEGMENT.db] = bits.db;
    sregs[at + SEGMENT.s] = bits.s;
    sregs[at + SEGMENT.l] = bits.l;
    sregs[at + SEGMENT.g] = 1;
  };
  segment(SREGS.cs, CODE_SELECTOR, CODE_EXECUTE_READ_ACCESSED, { db: Number(!long), s: 1, l: Number(long) });
  for (const data of [SREGS.ds, SREGS.es, SREGS.fs, SREGS.gs, SREGS.ss]) {
    segment(data, DATA_SELECTOR, DATA_READ_WRITE_ACCESSED, { db: 1, s: 1, l: 0 });
  }
  segment(SREGS.tr, TASK_SELECTOR, TASK_BUSY, { db: 0, s: 0, l: 0 });
  view.setUint32(SREGS.tr + SEGMENT.limit, 0xffff, true);
  sregs[SREGS.tr + SEGMENT.g] = 0;
  view.setBigUint64(SREGS.gdt + DTABLE.base, BigInt(gdtAddress), true);
  view.setUint16(SREGS.gdt + DTABLE.limit, GDT_BYTES - 1, true);
  view.setBigUint64(SREGS.idt + DTABLE.base, 0n, true);
  view.setUint16(SREGS.idt + DTABLE.limit, 0, true);
  view.setBigUint64(SREGS.cr0, CR0_PE | CR0_ET | CR0_NE | (long ? CR0_PG : 0n), true);
  view.setBigUint64(SREGS.cr3, long ? BigInt(PAGE_TABLES_ADDRESS) : 0n, true);
  view.setBigUint64(SREGS.cr4, long ? CR4_PAE : 0n, true);
  view.setBigUint64(SREGS.efer, long ? EFER_LME_LMA : 0n, true);
}

/** struct kvm_regs of an entry state. */
export function makeEntryRegs({ rip, registers }: Loaded): Uint8Array {
  const view = new DataView(new ArrayBuffer(REGS.size));
  for (const name of ['rax', 'rbx', 'rsi', 'rsp'] as const) {
    view.setBigUint64(REGS[name], BigInt(registers[name] ?? 0), true);
  }
  view.setBigUint64(REGS.rip, BigInt(rip), true);
  view.setBigUint64(REGS.rflags, RFLAGS, true);
  return new Uint8Array(view.buffer);
}
