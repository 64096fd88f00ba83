import { DTABLE, KVM_GET_REGS, KVM_GET_SREGS, REGS, SEGMENT, SREGS } from '../../../native/kvm';
import { libc } from '../../../native/libc';
import { allocatePinned } from '../../../native/pinned-buffer';

const GENERAL = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rsp', 'rbp'] as const;

/** What a vCPU has in its registers, a few lines for people. Runs in the vCPU's own thread. */
export function dumpRegisters(fd: number): string {
  const regs = allocatePinned(REGS.size);
  const sregs = allocatePinned(SREGS.size);
  const read =
    libc.ioctlQuick(fd, KVM_GET_REGS, regs.address) === 0 && libc.ioctlQuick(fd, KVM_GET_SREGS, sregs.address) === 0;
  return read ? formatRegisters(regs.bytes, sregs.bytes) : 'its registers cannot be read';
}

/** @param regs struct kvm_regs @param sregs struct kvm_sregs */
export function formatRegisters(regs: Uint8Array, sregs: Uint8Array): string {
  const view = new DataView(regs.buffer, regs.byteOffset, regs.byteLength);
  const system = new DataView(sregs.buffer, sregs.byteOffset, sregs.byteLength);
  const wide = (from: DataView, offset: number): string =>
    from.getBigUint64(offset, true).toString(16).padStart(16, '0');
  const general = GENERAL.map((name) => `${name} ${wide(view, REGS[name])}`);
  const numbered = Array.from({ length: 8 }, (_, index) => `r${8 + index} ${wide(view, REGS.r8 + index * 8)}`);
  const segment = (name: 'cs' | 'ds' | 'es' | 'fs' | 'gs' | 'ss' | 'tr'): string => {
    const at = SREGS[name];
    const selector = system.getUint16(at + SEGMENT.selector, true).toString(16);
    return `${name} ${selector} base ${system.getBigUint64(at + SEGMENT.base, true).toString(16)}`;
  };
  const table = (name: 'gdt' | 'idt'): string => {
    const at = SREGS[name];
    const base = system.getBigUint64(at + DTABLE.base, true).toString(16);
    return `${name} ${base}+${system.getUint16(at + DTABLE.limit, true).toString(16)}`;
  };
  const control = (['cr0', 'cr2', 'cr3', 'cr4', 'efer'] as const).map(
    (name) => `${name} ${system.getBigUint64(SREGS[name], true).toString(16)}`,
  );
  return [
    `rip ${wide(view, REGS.rip)}  rflags ${view.getBigUint64(REGS.rflags, true).toString(16)}`,
    general.slice(0, 4).join('  '),
    general.slice(4).join('  '),
    numbered.slice(0, 4).join('  '),
    numbered.slice(4).join('  '),
    (['cs', 'ds', 'es', 'ss'] as const).map(segment).join('  '),
    (['fs', 'gs', 'tr'] as const).map(segment).join('  '),
    `${control.join('  ')}  ${table('gdt')}  ${table('idt')}`,
  ].join('\n');
}
