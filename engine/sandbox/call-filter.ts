import { constants } from 'node:os';
import { assembleBpf } from './bpf';
import { REFUSED_CALLS } from './refused-calls';

/** struct seccomp_data (linux/seccomp.h): 0 s32 nr, 4 u32 arch, 8 u64 instruction pointer, 16 u64 args[6] */
const NUMBER = 0;
const ARCHITECTURE = 4;
/** The low half. */
const FIRST_ARGUMENT = 16;

/** linux/audit.h: 64 bits, little endian, EM_X86_64 */
const AUDIT_ARCH_X86_64 = 0xc000_003e;
/** asm/unistd.h: numbers from here on are calls of the x32 ABI, which are the same calls under other numbers. */
const X32_SYSCALL_BIT = 0x4000_0000;
/** asm/unistd_64.h */
const CLONE = 56;
const CLONE3 = 435;
/** linux/sched.h */
const CLONE_THREAD = 0x0001_0000;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
const CLONE_NAMESPACES = 0x0002_0000 | 0x7e00_0000;

/** linux/seccomp.h: the call is not done; its error number is in the low half. */
const SECCOMP_RET_ERRNO = 0x0005_0000;
const SECCOMP_RET_ALLOW = 0x7fff_0000;

/**
 * The seccomp program of a process that runs guests, as struct sock_filter. What it refuses fails with EPERM, so that a call
 * which somebody needs after all is an error that is read, not a guest that dies. Threads can be made, processes can't:
 * clone has to ask for a thread and for no namespace. clone3 keeps its flags in memory, where no filter sees them; it fails
 * as if the kernel were older, and the C library takes clone.
 */
export function buildCallFilter(): Uint8Array {
  const refused = REFUSED_CALLS.flatMap(({ calls }) => Object.values(calls));
  return assembleBpf([
    { load: ARCHITECTURE },
    { test: 'equal', value: AUDIT_ARCH_X86_64, no: 'refuse' },
    { load: NUMBER },
    { test: 'at-least', value: X32_SYSCALL_BIT, yes: 'refuse' },
    { test: 'equal', value: CLONE, yes: 'clone' },
    { test: 'equal', value: CLONE3, yes: 'absent' },
    ...refused.map((value) => ({ test: 'equal', value, yes: 'refuse' }) as const),
    { result: SECCOMP_RET_ALLOW },
    { label: 'clone' },
    { load: FIRST_ARGUMENT },
    { test: 'any-bit', value: CLONE_NAMESPACES, yes: 'refuse' },
    { test: 'any-bit', value: CLONE_THREAD, no: 'refuse' },
    { result: SECCOMP_RET_ALLOW },
    { label: 'refuse' },
    { result: SECCOMP_RET_ERRNO | constants.errno.EPERM },
    { label: 'absent' },
    { result: SECCOMP_RET_ERRNO | constants.errno.ENOSYS },
  ]);
}

/** How many system calls the filter refuses whatever is asked of them. */
export const REFUSED_COUNT = REFUSED_CALLS.reduce((sum, { calls }) => sum + Object.keys(calls).length, 0);
