import koffi from 'koffi';
import { errnoName, NativeError } from './native-error';
import { allocatePinned } from './pinned-buffer';

const library = koffi.load(null);
const prctl = library.func('int prctl(int, ulong, ulong, ulong, ulong)') as unknown as (
  ...parameters: readonly number[]
) => number;
// syscall is variadic; on x86-64 integers and addresses are passed the same way.
const syscall = library.func('long syscall(long, ulong, ulong, uintptr_t)') as unknown as (
  ...parameters: readonly number[]
) => number;

/** linux/prctl.h */
const PR_SET_NO_NEW_PRIVS = 38;
/** asm/unistd_64.h, linux/seccomp.h */
const SYS_SECCOMP = 317;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/** struct sock_filter (linux/filter.h): 0 u16 code, 2 u8 jt, 3 u8 jf, 4 u32 k */
const SOCK_FILTER_BYTES = 8;
/** struct sock_fprog: 0 u16 length in instructions, 8 u64 address of them */
const SOCK_FPROG_BYTES = 16;

/**
 * From now on no program that this thread, or a thread it makes, executes has more rights than it: prctl(2). Without
 * it only root may install filters or Landlock's rules.
 * @throws NativeError
 */
export function denyNewPrivileges(): void {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw failed('prctl(PR_SET_NO_NEW_PRIVS)');
}

/**
 * Gives all threads of this process a seccomp filter, for good: either all of them or none (seccomp(2)). They are denied
 * new privileges with it, if the calling thread is.
 * @param program struct sock_filter, one after the other. @throws NativeError
 */
export function installSeccompFilter(program: Uint8Array): void {
  const instructions = allocatePinned(program.length);
  instructions.bytes.set(program);
  const description = allocatePinned(SOCK_FPROG_BYTES);
  description.view.setUint16(0, program.length / SOCK_FILTER_BYTES, true);
  description.view.setBigUint64(8, BigInt(instructions.address), true);
  const result = syscall(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, description.address);
  if (result < 0) throw failed('seccomp(SECCOMP_SET_MODE_FILTER)');
  // The id of a thread that has a filter of its own, which can't be replaced.
  if (result > 0) throw new NativeError(`seccomp(SECCOMP_SET_MODE_FILTER) for thread ${result}`, 'ESRCH');
}

function failed(call: string): NativeError {
  return new NativeError(call, errnoName(koffi.errno()));
}
