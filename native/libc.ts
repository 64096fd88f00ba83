import koffi from 'koffi';
import { errnoName, NativeError } from './native-error';

/** A mapping of this process. */
export interface Mapping {
  /** Host-virtual address, for structures that hold pointers. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
  unmap(): void;
}

/** mmap(2) on x86-64 Linux; asm-generic/mman-common.h and linux/mman.h. */
const PROT_READ_WRITE = 0x1 | 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MADV_DONTNEED = 4;
const MADV_HUGEPAGE = 14;

const library = koffi.load(null);
const declared = {
  open: library.func('int open(const char *, int)'),
  close: library.func('int close(int)'),
  // ioctl is variadic; on x86-64 a single integer or address is passed the same way.
  ioctl: library.func('int ioctl(int, ulong, uintptr_t)'),
  ioctlBytes: library.func('ioctl', 'int', ['int', 'ulong', 'void *']),
  mmap: library.func('intptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)'),
  munmap: library.func('int munmap(uintptr_t, size_t)'),
  madvise: library.func('int madvise(uintptr_t, size_t, int)'),
};
type Call = (...parameters: readonly (number | bigint | string | Uint8Array)[]) => number;
const call = declared as unknown as Readonly<Record<keyof typeof declared, Call>>;

function check(name: string, result: number): number {
  if (result === -1) throw new NativeError(name, errnoName(koffi.errno()));
  return result;
}

/**
 * The few calls of the C library that are in use. Each throws NativeError when the call fails, except where its line
 * says that it answers the negated errno. Loading this file loads koffi (about 10 ms and 3 MiB), so nothing may import
 * it that can do without.
 */
export const libc = {
  open: (path: string, flags: number): number => check(`open(${path})`, call.open(path, flags)),
  close: (fd: number): void => void check('close', call.close(fd)),
  /** With a number the kernel gets the number, with bytes their address. Answers what the kernel returned. */
  ioctl: (name: string, fd: number, request: number, argument: number | Uint8Array): number =>
    check(
      `ioctl(${name})`,
      typeof argument === 'number' ? call.ioctl(fd, request, argument) : call.ioctlBytes(fd, request, argument),
    ),
  /** For calls in a hot loop: `argument` is a number or an address; answers what the kernel returned or the negated errno. */
  ioctlQuick: (fd: number, request: number, argument: number): number => {
    const result = call.ioctl(fd, request, argument);
    return result === -1 ? -koffi.errno() : result;
  },
  /** Read and write; a private anonymous mapping when `fd` is -1, else shared. */
  mmap: (length: number, fd: number): Mapping => {
    const flags = fd === -1 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    const address = check('mmap', call.mmap(0, length, PROT_READ_WRITE, flags, fd, 0));
    return {
      address: BigInt(address),
      bytes: viewMemory(BigInt(address), length),
      unmap: () => void check('munmap', call.munmap(address, length)),
    };
  },
  /** Asks for pages of 2 MiB where the host has them to give; what it can't do stays undone. */
  adviseHugePages: (address: bigint, length: number): void => void call.madvise(address, length, MADV_HUGEPAGE),
  /** Gives pages of private memory back; it reads as zeroes afterwards. */
  discardPages: (address: bigint, length: number): void => void call.madvise(address, length, MADV_DONTNEED),
} as const;

/** Bytes at an address of this process, which somebody keeps mapped for as long as they are used. */
export function viewMemory(address: bigint, length: number): Uint8Array {
  return new Uint8Array(koffi.view(address, length));
}

/** Where bytes lie in this process. They must not be on V8's moving heap: more than 64 bytes, or an ArrayBuffer of one's own. */
export function addressOf(bytes: Uint8Array): bigint {
  return BigInt(koffi.address(bytes));
}
