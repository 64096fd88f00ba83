import koffi from 'koffi';
import { errnoName, NativeError } from './native-error';
import { allocatePinned } from './pinned-buffer';

const library = koffi.load(null);
const getpid = library.func('int getpid()') as unknown as () => number;
const gettid = library.func('int gettid()') as unknown as () => number;
const tgkill = library.func('int tgkill(int, int, int)') as unknown as (pid: number, tid: number, n: number) => number;
const sigaction = library.func('int sigaction(int, uintptr_t, uintptr_t)') as unknown as (
  signal: number,
  action: number,
  previous: number,
) => number;

/** A real-time signal: glibc keeps 32 and 33 for itself, and neither Node nor libuv uses any. */
const SIGNAL = 40;
/** struct sigaction of glibc on x86-64: handler u64@0, mask (128)@8, flags u32@136, restorer u64@144. No SA_RESTART. */
const SIGACTION_BYTES = 152;

/** The calling thread, as {@link interruptThread} names it. */
export function currentThread(): number {
  return gettid();
}

/**
 * Makes {@link interruptThread} harmless for the process. The handler is a function of the C library that does nothing to
 * anybody (getpid), because JavaScript can't run in a signal handler.
 * @throws NativeError
 */
export function prepareInterrupts(): void {
  const action = allocatePinned(SIGACTION_BYTES);
  action.view.setBigUint64(0, BigInt(koffi.address(library.symbol('getpid') as unknown)), true);
  if (sigaction(SIGNAL, action.address, 0) !== 0) throw new NativeError('sigaction', errnoName(koffi.errno()));
}

/** Makes the blocking system call of a thread of this process return EINTR. A thread that is gone is no failure. */
export function interruptThread(thread: number): void {
  tgkill(getpid(), thread, SIGNAL);
}
