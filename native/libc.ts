import { errnoName, NativeError } from './native-error';

/** A mapping of this process. */
export interface Mapping {
  /** Host-virtual address, for structures that hold pointers. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
  unmap(): void;
}

/** The few calls of the C library that are in use. Each throws NativeError when the call fails. */
export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): void;
  /** With a number the kernel gets the number, with bytes their address. Answers what the kernel returned. */
  ioctl(name: string, fd: number, request: number, argument: number | Uint8Array): number;
  /** Read and write; a private anonymous mapping when `fd` is -1, else shared. */
  mmap(length: number, fd: number): Mapping;
}

/** mmap(2) on x86-64 Linux; asm-generic/mman-common.h and linux/mman.h. */
const PROT_READ_WRITE = 0x1 | 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;

/**
 * Loads koffi and the C library (about 10 ms and 3 MiB), so nothing may import it that can do without.
 * @throws NativeError when koffi has no build for this platform.
 */
export async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi').catch((cause: unknown) => {
    throw new NativeError('loading koffi', (cause as Error).message, { cause });
  });
  const library = koffi.load(null);
  const open = library.func('int open(const char *path, int flags)');
  const close = library.func('int close(int fd)');
  // ioctl is variadic: its third argument is declared once as a number and once as an address.
  const ioctlNumber = library.func('ioctl', 'int', ['int', 'ulong', 'uintptr_t']);
  const ioctlBytes = library.func('ioctl', 'int', ['int', 'ulong', 'void *']);
  const mmap = library.func('void *mmap(void *address, size_t length, int prot, int flags, int fd, long offset)');
  const munmap = library.func('int munmap(void *address, size_t length)');

  const check = (call: string, result: number): number => {
    if (result === -1) throw new NativeError(call, errnoName(koffi.errno()));
    return result;
  };

  return {
    open: (path, flags) => check(`open(${path})`, open(path, flags) as number),
    close: (fd) => void check('close', close(fd) as number),
    ioctl: (name, fd, request, argument) => {
      const result =
        typeof argument === 'number' ? ioctlNumber(fd, request, argument) : ioctlBytes(fd, request, argument);
      return check(`ioctl(${name})`, result as number);
    },
    mmap: (length, fd) => {
      const flags = fd === -1 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
      const pointer: unknown = mmap(null, length, PROT_READ_WRITE, flags, fd, 0);
      const address = koffi.address(pointer);
      // MAP_FAILED is (void *) -1.
      if (BigInt.asIntN(64, BigInt(address)) === -1n) throw new NativeError('mmap', errnoName(koffi.errno()));
      return {
        address: BigInt(address),
        bytes: new Uint8Array(koffi.view(pointer, length)),
        unmap: () => void check('munmap', munmap(pointer, length) as number),
      };
    },
  };
}
