import koffi from 'koffi';
import { errnoName, NativeError } from './native-error';
import { allocatePinned } from './pinned-buffer';

const library = koffi.load(null);
const libc = {
  eventfd: library.func('int eventfd(uint, int)'),
  read: library.func('int64_t read(int, uintptr_t, size_t)'),
  write: library.func('int64_t write(int, uintptr_t, size_t)'),
  close: library.func('int close(int)'),
};
const call = libc as unknown as Readonly<Record<keyof typeof libc, (...parameters: readonly number[]) => number>>;

/** sys/eventfd.h, asm-generic/errno.h */
const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const EAGAIN = 11;

/** An eventfd's counter is a u64 in the host's byte order. */
const COUNTER_BYTES = 8;
const one = allocatePinned(COUNTER_BYTES);
one.view.setUint32(0, 1, true);
const counter = allocatePinned(COUNTER_BYTES);

function failed(name: string): never {
  throw new NativeError(name, errnoName(koffi.errno()));
}

/**
 * eventfd(2): a flag that any thread sets, and that poll, epoll and KVM's ioeventfd understand. The number is good in
 * every thread of the process.
 */
export const eventfds = {
  /** Non-blocking, close-on-exec, not signalled. @throws NativeError */
  create: (): number => {
    const fd = call.eventfd(0, EFD_NONBLOCK_CLOEXEC);
    return fd < 0 ? failed('eventfd') : fd;
  },

  /** A counter that is full is a signal that nobody took yet: no failure. */
  signal: (fd: number): void => {
    if (call.write(fd, one.address, COUNTER_BYTES) < 0 && koffi.errno() !== EAGAIN) failed('write(eventfd)');
  },

  /** Takes the signals that there are; answers whether there were any. */
  clear: (fd: number): boolean => {
    if (call.read(fd, counter.address, COUNTER_BYTES) > 0) return true;
    return koffi.errno() === EAGAIN ? false : failed('read(eventfd)');
  },

  close: (fd: number): void => void call.close(fd),
} as const;
