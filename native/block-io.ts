import koffi from 'koffi';

// Numbers of Linux's generic ABI (asm-generic/fcntl.h, linux/falloc.h, asm-generic/errno-base.h), the same on x86-64
// and arm64.
export const FALLOC_FL_KEEP_SIZE = 0x01;
export const FALLOC_FL_PUNCH_HOLE = 0x02;
export const FALLOC_FL_ZERO_RANGE = 0x10;
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const EIO = 5;
export const EINTR = 4;
export const EAGAIN = 11;
export const EOPNOTSUPP = 95;
/** linux/uio.h, UIO_MAXIOV: the most vectors of one call. */
export const IOV_MAX = 1024;
/** struct iovec: 0 u64 address, 8 u64 length */
export const IOVEC_BYTES = 16;

const LOCK_NB = 4;
const SEEK_END = 2;
// include/uapi/linux/fs.h; ENXIO of asm-generic/errno-base.h: there is no data behind the offset.
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;

const library = koffi.load(null);
const libc = {
  pread: library.func('int64_t pread(int, uintptr_t, size_t, int64_t)'),
  pwrite: library.func('int64_t pwrite(int, uintptr_t, size_t, int64_t)'),
  preadv: library.func('int64_t preadv(int, uintptr_t, int, int64_t)'),
  pwritev: library.func('int64_t pwritev(int, uintptr_t, int, int64_t)'),
  fdatasync: library.func('int fdatasync(int)'),
  fallocate: library.func('int fallocate(int, int, int64_t, int64_t)'),
  flock: library.func('int flock(int, int)'),
  lseek: library.func('int64_t lseek(int, int64_t, int)'),
};
const call = libc as unknown as Readonly<Record<keyof typeof libc, (...parameters: readonly number[]) => number>>;

function orErrno(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

/**
 * System calls that move bytes between files and raw addresses of this process, without a copy and without Node's thread
 * pool. Each blocks its thread and answers a negated errno when it fails. The caller has checked the addresses.
 */
export const blockIo = {
  /** Bytes read, fewer at the end of the file. */
  read: (fd: number, address: number, length: number, offset: number): number =>
    orErrno(call.pread(fd, address, length, offset)),
  /** Bytes written; fewer when the disk becomes full on the way. */
  write: (fd: number, address: number, length: number, offset: number): number =>
    orErrno(call.pwrite(fd, address, length, offset)),
  /** `vectors` is the address of `count` struct iovec. */
  readVectors: (fd: number, vectors: number, count: number, offset: number): number =>
    orErrno(call.preadv(fd, vectors, count, offset)),
  writeVectors: (fd: number, vectors: number, count: number, offset: number): number =>
    orErrno(call.pwritev(fd, vectors, count, offset)),
  /** 0 when what was written is on the medium. */
  flush: (fd: number): number => orErrno(call.fdatasync(fd)),
  /** `mode` is one or more FALLOC_FL_. */
  allocate: (fd: number, mode: number, offset: number, length: number): number =>
    orErrno(call.fallocate(fd, mode, offset, length)),
  /** Locks the whole file without waiting, with LOCK_SH or LOCK_EX; -EAGAIN when somebody else has it. */
  lock: (fd: number, operation: number): number => orErrno(call.flock(fd, operation | LOCK_NB)),
  /** Bytes of a file or a block device. */
  size: (fd: number): number => orErrno(call.lseek(fd, 0, SEEK_END)),
  /** Where the first data at or behind `offset` begins; undefined when there are only holes. A file system that has none says `offset`. */
  nextData: (fd: number, offset: number): number | undefined => {
    const found = orErrno(call.lseek(fd, offset, SEEK_DATA));
    if (found === -ENXIO) return undefined;
    return found < 0 ? offset : found;
  },
  /** Where the first hole behind `offset`, which is in data, begins: at the end of the file at the latest. */
  nextHole: (fd: number, offset: number): number => {
    const found = orErrno(call.lseek(fd, offset, SEEK_HOLE));
    return found < 0 ? blockIo.size(fd) : found;
  },
} as const;
