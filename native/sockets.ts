import koffi from 'koffi';
import { openInNamespace } from './namespace-open';
import { errnoName, NativeError } from './native-error';
import { allocatePinned, type PinnedBuffer } from './pinned-buffer';

// Numbers of Linux's generic ABI (asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h, linux/eventpoll.h,
// linux/if_tun.h, asm-generic/errno.h), the same on x86-64 and arm64.
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ICMPV6 = 58;
export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SOL_TCP = 6;
export const SOL_UDP = 17;
export const SOL_IPV6 = 41;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_ACCEPTCONN = 30;
export const IP_TTL = 2;
export const IP_RECVERR = 11;
export const IPV6_UNICAST_HOPS = 16;
export const IPV6_RECVERR = 25;
export const IPV6_V6ONLY = 26;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_NOTSENT_LOWAT = 25;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
export const MSG_PEEK = 0x2;
export const MSG_TRUNC = 0x20;
export const MSG_MORE = 0x8000;
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x80000000;
export const ECONNREFUSED = 111;
export const EAGAIN = 11;
export const EINPROGRESS = 115;

const SOCK_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_ERRQUEUE = 0x2000;
const MSG_NOSIGNAL = 0x4000;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EEXIST = 17;
const O_RDWR_NONBLOCK_CLOEXEC = 0o2 | 0o4000 | 0o2000000;
const FIONBIO = 0x5421;
const TUN_FILE = '/dev/net/tun';
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const IFF_TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000;
/** What a tap device may leave to its reader (linux/if_tun.h). */
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
/** Linux 6.2 and later, and only both together. */
const TUN_F_USO4_USO6 = 0x20 | 0x40;
const IFNAMSIZ = 16;

/** struct epoll_event is packed on x86-64 only (eventpoll.h, EPOLL_PACKED). */
export const EPOLL_EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
export const EPOLL_DATA_OFFSET = process.arch === 'x64' ? 4 : 8;

/** sockaddr_in6 is the longest of those in use (28 bytes); sun_path's 108 and a family for unix. */
const SOCKADDR_BYTES = 128;
const MAX_PATH_BYTES = 107;

const library = koffi.load(null);
const libc = {
  socket: library.func('int socket(int, int, int)'),
  socketpair: library.func('int socketpair(int, int, int, uintptr_t)'),
  bind: library.func('int bind(int, uintptr_t, uint)'),
  connect: library.func('int connect(int, uintptr_t, uint)'),
  listen: library.func('int listen(int, int)'),
  accept4: library.func('int accept4(int, uintptr_t, uintptr_t, int)'),
  getsockname: library.func('int getsockname(int, uintptr_t, uintptr_t)'),
  getsockopt: library.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
  setsockopt: library.func('int setsockopt(int, int, int, uintptr_t, uint)'),
  shutdown: library.func('int shutdown(int, int)'),
  close: library.func('int close(int)'),
  dup: library.func('int dup(int)'),
  recv: library.func('int64_t recv(int, uintptr_t, size_t, int)'),
  send: library.func('int64_t send(int, uintptr_t, size_t, int)'),
  recvmsg: library.func('int64_t recvmsg(int, uintptr_t, int)'),
  recvmmsg: library.func('int recvmmsg(int, uintptr_t, uint, int, uintptr_t)'),
  sendmsg: library.func('int64_t sendmsg(int, uintptr_t, int)'),
  recvfrom: library.func('int64_t recvfrom(int, uintptr_t, size_t, int, uintptr_t, uintptr_t)'),
  sendto: library.func('int64_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint)'),
  read: library.func('int64_t read(int, uintptr_t, size_t)'),
  write: library.func('int64_t write(int, uintptr_t, size_t)'),
  readv: library.func('int64_t readv(int, uintptr_t, int)'),
  writev: library.func('int64_t writev(int, uintptr_t, int)'),
  epoll_create1: library.func('int epoll_create1(int)'),
  epoll_ctl: library.func('int epoll_ctl(int, int, int, uintptr_t)'),
  epoll_wait: library.func('int epoll_wait(int, uintptr_t, int, int)'),
  open: library.func('int open(const char *, int)'),
  ioctl: library.func('int ioctl(int, ulong, uintptr_t)'),
};
type Call = (...parameters: readonly (number | string)[]) => number;
const call = libc as unknown as Readonly<Record<keyof typeof libc, Call>>;

const scratch: PinnedBuffer = allocatePinned(256);
/** A struct msghdr (56 bytes), a socket address, control messages. */
const errorScratch: PinnedBuffer = allocatePinned(640);
const ERROR_NAME = 64;
const ERROR_CONTROL = 128;
/** Layout of the scratch bytes: an address, its length, an option's value, an epoll_event. */
const ADDRESS = 0;
const LENGTH = SOCKADDR_BYTES;
const VALUE = LENGTH + 8;
const EVENT = VALUE + 16;

/** What came back for a datagram that was sent: linux/errqueue.h's struct sock_extended_err. */
export interface SocketError {
  readonly errno: number;
  /** 2: an ICMP message, 3: an ICMPv6 message; others are the host's own. */
  readonly origin: number;
  readonly type: number;
  readonly code: number;
  /** E.g. the MTU that would fit. */
  readonly info: number;
  /** Where the datagram was sent to. */
  readonly destination: SocketAddress;
  /** Who sent the message; port 0. Undefined for the host's own errors. */
  readonly offender: SocketAddress | undefined;
}

/** A socket address: an IPv4 or IPv6 address in network byte order and a port. */
export interface SocketAddress {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Interface index of a link-local IPv6 address. */
  readonly scope?: number;
}

function failed(name: string): never {
  throw new NativeError(name, errnoName(koffi.errno()));
}

function check(name: string, result: number): number {
  return result < 0 ? failed(name) : result;
}

/** The result, or the negated errno: for calls whose failures are everyday events. */
function orErrno(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

/**
 * Writes a socket address (at most 28 bytes) and answers its length.
 *
 *  sockaddr_in:  0 u16 family, 2 u16 BE port, 4 address (4), 8 zero (8)
 *  sockaddr_in6: 0 u16 family, 2 u16 BE port, 4 u32 flow, 8 address (16), 24 u32 scope
 */
export function writeSocketAddress(bytes: Buffer, offset: number, { address, port, scope = 0 }: SocketAddress): number {
  bytes.fill(0, offset, offset + 28);
  bytes.writeUInt16BE(port, offset + 2);
  if (address.length === 4) {
    bytes.writeUInt16LE(AF_INET, offset);
    bytes.set(address, offset + 4);
    return 16;
  }
  bytes.writeUInt16LE(AF_INET6, offset);
  bytes.set(address, offset + 8);
  bytes.writeUInt32LE(scope, offset + 24);
  return 28;
}

function putAddress(address: SocketAddress): number {
  return writeSocketAddress(scratch.bytes, ADDRESS, address);
}

/** The address that the kernel wrote; of another family: 0.0.0.0. */
export function readSocketAddress(bytes: Buffer, offset: number): SocketAddress {
  const family = bytes.readUInt16LE(offset);
  const port = bytes.readUInt16BE(offset + 2);
  if (family === AF_INET) return { address: Uint8Array.from(bytes.subarray(offset + 4, offset + 8)), port };
  if (family !== AF_INET6) return { address: new Uint8Array(4), port: 0 };
  const address = Uint8Array.from(bytes.subarray(offset + 8, offset + 24));
  return { address, port, scope: bytes.readUInt32LE(offset + 24) };
}

/** Of an IPv4 or IPv6 socket address. */
export function socketAddressBytes(bytes: Buffer, offset: number): number {
  return bytes.readUInt16LE(offset) === AF_INET ? 16 : 28;
}

/** sockaddr_un: 0 u16 family, 2 path with a closing NUL. */
function putPath(path: string): number {
  const { bytes } = scratch;
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new NativeError(`the path ${path}`, 'ENAMETOOLONG');
  bytes.writeUInt16LE(AF_UNIX, ADDRESS);
  const length = bytes.write(path, ADDRESS + 2);
  bytes[ADDRESS + 2 + length] = 0;
  return 2 + length + 1;
}

function takeAddress(): SocketAddress {
  return readSocketAddress(scratch.bytes, ADDRESS);
}

/**
 * Non-blocking, close-on-exec sockets and epoll of Linux, called directly: no stream, no promise, no allocation on the
 * ways that carry data. `address` parameters are addresses of a PinnedBuffer plus an offset that the caller has
 * checked. Functions whose doc says so answer a negated errno; the others throw NativeError.
 */
export const sockets = {
  socket: (family: number, type: number, protocol = 0): number =>
    check('socket', call.socket(family, type | SOCK_NONBLOCK_CLOEXEC, protocol)),

  /** Two connected unix stream sockets. */
  pair: (): readonly [number, number] => {
    check('socketpair', call.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK_CLOEXEC, 0, scratch.address + VALUE));
    return [scratch.bytes.readInt32LE(VALUE), scratch.bytes.readInt32LE(VALUE + 4)];
  },

  bind: (fd: number, address: SocketAddress): void =>
    void check('bind', call.bind(fd, scratch.address, putAddress(address))),

  /** 0, -EINPROGRESS, or why not, negated. */
  connect: (fd: number, address: SocketAddress): number =>
    orErrno(call.connect(fd, scratch.address, putAddress(address))),

  /** Makes a unix socket of that path; there must be none. */
  bindPath: (fd: number, path: string): void => void check('bind', call.bind(fd, scratch.address, putPath(path))),

  /** To a unix socket: 0 or why not, negated; EAGAIN means that too many wait to be accepted there. */
  connectPath: (fd: number, path: string): number => orErrno(call.connect(fd, scratch.address, putPath(path))),

  /** For a descriptor that was not made here. */
  setNonBlocking: (fd: number): void => {
    scratch.bytes.writeInt32LE(1, VALUE);
    check('ioctl(FIONBIO)', call.ioctl(fd, FIONBIO, scratch.address + VALUE));
  },

  listen: (fd: number, backlog: number): void => void check('listen', call.listen(fd, backlog)),

  /** The new descriptor or a negated errno; `peerOf` then says who it is. */
  accept: (fd: number): number => {
    scratch.bytes.writeUInt32LE(SOCKADDR_BYTES, LENGTH);
    return orErrno(call.accept4(fd, scratch.address, scratch.address + LENGTH, SOCK_NONBLOCK_CLOEXEC));
  },

  /** The peer of the last `accept` or `receiveFrom`. */
  lastPeer: takeAddress,

  /** The same as the bytes that `sendToPrepared` takes, of any family; empty for a unix socket without a path. */
  lastPeerBytes: (): Buffer =>
    Buffer.from(
      scratch.bytes.subarray(ADDRESS, ADDRESS + Math.min(scratch.bytes.readUInt32LE(LENGTH), SOCKADDR_BYTES)),
    ),

  /** Whether the peer of the last `receiveFrom` is the one of these bytes; allocates nothing. */
  lastPeerIs: (bytes: Buffer): boolean =>
    scratch.bytes.readUInt32LE(LENGTH) === bytes.length &&
    scratch.bytes.compare(bytes, 0, bytes.length, ADDRESS, ADDRESS + bytes.length) === 0,

  localAddress: (fd: number): SocketAddress => {
    scratch.bytes.writeUInt32LE(SOCKADDR_BYTES, LENGTH);
    check('getsockname', call.getsockname(fd, scratch.address, scratch.address + LENGTH));
    return takeAddress();
  },

  setOption: (fd: number, level: number, option: number, value: number): void => {
    scratch.bytes.writeInt32LE(value, VALUE);
    check('setsockopt', call.setsockopt(fd, level, option, scratch.address + VALUE, 4));
  },

  getOption: (fd: number, level: number, option: number): number => {
    scratch.bytes.writeUInt32LE(4, LENGTH);
    check('getsockopt', call.getsockopt(fd, level, option, scratch.address + VALUE, scratch.address + LENGTH));
    return scratch.bytes.readInt32LE(VALUE);
  },

  /** The next close sends a reset instead of a FIN: struct linger {1, 0}. */
  resetOnClose: (fd: number): void => {
    scratch.bytes.writeInt32LE(1, VALUE);
    scratch.bytes.writeInt32LE(0, VALUE + 4);
    call.setsockopt(fd, SOL_SOCKET, SO_LINGER, scratch.address + VALUE, 8);
  },

  /** Ends our direction; the peer reads an end of file. A peer that is gone already is no failure. */
  endWriting: (fd: number): void => void call.shutdown(fd, SHUT_WR),
  /** Ends the other direction: a unix socket's peer gets EPIPE for what it writes. */
  endReading: (fd: number): void => void call.shutdown(fd, SHUT_RD),
  close: (fd: number): void => void call.close(fd),
  duplicate: (fd: number): number => check('dup', call.dup(fd)),

  /** Bytes received (0: end of file) or a negated errno. */
  receive: (fd: number, address: number, length: number): number =>
    orErrno(call.recv(fd, address, length, MSG_DONTWAIT)),
  /** Bytes sent or a negated errno. */
  send: (fd: number, address: number, length: number, flags = 0): number =>
    orErrno(call.send(fd, address, length, MSG_DONTWAIT | MSG_NOSIGNAL | flags)),
  /** Length of the datagram, even if it was longer than `length`, or a negated errno; `lastPeer` says from whom. */
  receiveFrom: (fd: number, address: number, length: number): number => {
    scratch.bytes.writeUInt32LE(SOCKADDR_BYTES, LENGTH);
    return orErrno(
      call.recvfrom(fd, address, length, MSG_DONTWAIT | MSG_TRUNC, scratch.address, scratch.address + LENGTH),
    );
  },
  /** Bytes sent or a negated errno. */
  sendTo: (fd: number, address: number, length: number, to: SocketAddress): number =>
    orErrno(call.sendto(fd, address, length, MSG_DONTWAIT | MSG_NOSIGNAL, scratch.address, putAddress(to))),
  /** The oldest error that waits in a socket with IP_RECVERR or IPV6_RECVERR set; undefined: there is none. */
  receiveError: (fd: number): SocketError | undefined => {
    const { bytes, view, address } = errorScratch;
    bytes.fill(0, 0, ERROR_CONTROL);
    // struct msghdr: name, u32 name length, iovec, its count, control, its length, u32 flags.
    view.setBigUint64(0, BigInt(address + ERROR_NAME), true);
    view.setUint32(8, 28, true);
    view.setBigUint64(32, BigInt(address + ERROR_CONTROL), true);
    view.setBigUint64(40, 512n, true);
    if (call.recvmsg(fd, address, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return undefined;
    const length = Number(view.getBigUint64(40, true));
    // struct cmsghdr: u64 length, u32 level, u32 type; then the error and the offender's address.
    for (let at = ERROR_CONTROL; at + 32 <= ERROR_CONTROL + length; ) {
      const size = Number(view.getBigUint64(at, true));
      const level = view.getUint32(at + 8, true);
      const type = view.getUint32(at + 12, true);
      const isError = (level === SOL_IP && type === IP_RECVERR) || (level === SOL_IPV6 && type === IPV6_RECVERR);
      if (isError) {
        const origin = view.getUint8(at + 20);
        return {
          errno: view.getUint32(at + 16, true),
          origin,
          type: view.getUint8(at + 21),
          code: view.getUint8(at + 22),
          info: view.getUint32(at + 24, true),
          destination: readSocketAddress(bytes, ERROR_NAME),
          offender: origin === 2 || origin === 3 ? readSocketAddress(bytes, at + 32) : undefined,
        };
      }
      at += Math.max(16, (size + 7) & ~7);
    }
    return undefined;
  },
  /** As `sendTo`, with a socket address that `writeSocketAddress` wrote: for peers that get many datagrams. */
  sendToPrepared: (fd: number, address: number, length: number, to: number, toLength: number): number =>
    orErrno(call.sendto(fd, address, length, MSG_DONTWAIT | MSG_NOSIGNAL, to, toLength)),
  /** Fills as many of the `count` struct mmsghdr at `headers` as datagrams wait; their number, or a negated errno. */
  receiveMessages: (fd: number, headers: number, count: number): number =>
    orErrno(call.recvmmsg(fd, headers, count, MSG_DONTWAIT, 0)),
  /** Bytes sent of what the struct msghdr at `header` describes, or a negated errno. */
  sendMessage: (fd: number, header: number): number => orErrno(call.sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL)),
  read: (fd: number, address: number, length: number): number => orErrno(call.read(fd, address, length)),
  write: (fd: number, address: number, length: number): number => orErrno(call.write(fd, address, length)),
  /** `vectors` is the address of `count` struct iovec {u64 base, u64 length}. */
  writeVectors: (fd: number, vectors: number, count: number): number => orErrno(call.writev(fd, vectors, count)),
  /** @see writeVectors */
  readVectors: (fd: number, vectors: number, count: number): number => orErrno(call.readv(fd, vectors, count)),

  epollCreate: (): number => check('epoll_create1', call.epoll_create1(EPOLL_CLOEXEC)),
  /** Watches `fd` for `events`, or changes what it is watched for; `data` comes back with each event. */
  epollSet: (epoll: number, fd: number, events: number, data: number): void => {
    scratch.bytes.writeUInt32LE(events >>> 0, EVENT);
    scratch.bytes.writeUInt32LE(data, EVENT + EPOLL_DATA_OFFSET);
    scratch.bytes.writeUInt32LE(0, EVENT + EPOLL_DATA_OFFSET + 4);
    if (call.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, scratch.address + EVENT) === 0) return;
    if (koffi.errno() !== EEXIST) failed('epoll_ctl');
    check('epoll_ctl', call.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, scratch.address + EVENT));
  },
  epollRemove: (epoll: number, fd: number): void =>
    void call.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, scratch.address + EVENT),
  /** Number of events written to `address`, or a negated errno. */
  epollWait: (epoll: number, address: number, capacity: number, timeoutMs: number): number =>
    orErrno(call.epoll_wait(epoll, address, capacity, timeoutMs)),

  /**
   * Opens a tap device whose frames begin with a virtio_net_hdr, offering checksum and TCP segmentation offload, and that
   * of UDP where the kernel has it (`cutsDatagrams`).
   * @param netns path of a network namespace (`/proc/PID/ns/net`) in which the device is.
   * @param headerBytes 10, or 12 with the count of buffers, which the kernel leaves alone.
   */
  openTap: (
    name: string,
    netns?: string,
    headerBytes: 10 | 12 = 10,
  ): { readonly fd: number; readonly cutsDatagrams: boolean } => {
    if (Buffer.byteLength(name) >= IFNAMSIZ) throw new NativeError(`opening tap ${name}`, 'ENAMETOOLONG');
    const fd =
      netns === undefined
        ? check(`open(${TUN_FILE})`, call.open(TUN_FILE, O_RDWR_NONBLOCK_CLOEXEC))
        : openInNamespace(netns, TUN_FILE, O_RDWR_NONBLOCK_CLOEXEC);
    try {
      // struct ifreq: name (16), u16 flags.
      const request = allocatePinned(40);
      request.bytes.write(name, 'latin1');
      request.bytes.writeUInt16LE(IFF_TAP_NO_PI_VNET_HDR, IFNAMSIZ);
      check('ioctl(TUNSETIFF)', call.ioctl(fd, TUNSETIFF, request.address));
      scratch.bytes.writeInt32LE(headerBytes, VALUE);
      check('ioctl(TUNSETVNETHDRSZ)', call.ioctl(fd, TUNSETVNETHDRSZ, scratch.address + VALUE));
      const offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
      const cutsDatagrams = call.ioctl(fd, TUNSETOFFLOAD, offloads | TUN_F_USO4_USO6) === 0;
      if (!cutsDatagrams) sockets.setTapOffloads(fd, offloads);
      return { fd, cutsDatagrams };
    } catch (error) {
      call.close(fd);
      throw error;
    }
  },

  /** @param offloads of TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6; the latter two only with the first. */
  setTapOffloads: (fd: number, offloads: number): void =>
    void check('ioctl(TUNSETOFFLOAD)', call.ioctl(fd, TUNSETOFFLOAD, offloads)),
} as const;

/** Calls back whenever the descriptor is readable, from Node's event loop. The answer must be kept: a lost watch stops. */
export function pollReadable(fd: number, readable: () => void): { close(): void; ref(): void; unref(): void } {
  return koffi.node.poll(fd, { readable: true }, readable);
}
