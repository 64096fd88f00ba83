import { closeSync, constants, openSync } from 'node:fs';
import koffi from 'koffi';
import { errnoName, NativeError } from './native-error';

/** A new pseudo-terminal. Both descriptors are the caller's, non-blocking, and closed on exec. */
export interface Pty {
  readonly master: number;
  /** Of the other side, opened once: as long as it is, the master never reads an end of file. */
  readonly slave: number;
  /** E.g. `/dev/pts/3`. */
  readonly slavePath: string;
}

/** struct termios has 60 bytes on Linux and 72 on macOS. */
const TERMIOS_BYTES = 128;
/** The change takes place at once; the same number on both. */
const TCSANOW = 0;

const library = koffi.load(null);
const grantpt = library.func('int grantpt(int)');
const unlockpt = library.func('int unlockpt(int)');
const ptsname = library.func('const char *ptsname(int)');
const tcgetattr = library.func('int tcgetattr(int, void *)');
const tcsetattr = library.func('int tcsetattr(int, int, void *)');
const cfmakeraw = library.func('void cfmakeraw(void *)');

function check(call: string, result: number): void {
  if (result !== 0) throw new NativeError(call, errnoName(koffi.errno()));
}

/** Makes a pseudo-terminal whose other side is raw. @throws NativeError */
export function openPty(): Pty {
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  // What posix_openpt(3) opens, but closed on exec, which openSync does for every descriptor.
  const master = openDevice('/dev/ptmx', flags);
  try {
    check('grantpt', grantpt(master) as number);
    check('unlockpt', unlockpt(master) as number);
    const slavePath = ptsname(master) as string | null;
    if (slavePath === null) throw new NativeError('ptsname', errnoName(koffi.errno()));
    const slave = openDevice(slavePath, flags);
    try {
      makeRaw(slave);
    } catch (error) {
      closeSync(slave);
      throw error;
    }
    return { master, slave, slavePath };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Bytes go through a terminal as they are: no echo, no lines, no signals (cfmakeraw(3)). @throws NativeError */
export function makeRaw(terminal: number): void {
  const termios = Buffer.alloc(TERMIOS_BYTES);
  check('tcgetattr', tcgetattr(terminal, termios) as number);
  cfmakeraw(termios);
  check('tcsetattr', tcsetattr(terminal, TCSANOW, termios) as number);
}

function openDevice(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw new NativeError(`open(${path})`, (error as NodeJS.ErrnoException).code ?? String(error), { cause: error });
  }
}

/** What is waited for on a descriptor. */
export interface Interest {
  readonly readable: boolean;
  readonly writable: boolean;
}

/** Calls back from Node's event loop while the descriptor is as it is wanted; nothing at first. */
export interface DescriptorPoll {
  want(interest: Interest): void;
  close(): void;
}

/** Unlike sockets, terminals of both sides can't be given to Node's own streams without blocking it. */
export function pollDescriptor(fd: number, ready: () => void): DescriptorPoll {
  const handle = koffi.node.poll(fd, { readable: true }, ready);
  handle.stop();
  return {
    want: ({ readable, writable }) => {
      if (readable || writable) handle.start({ readable, writable }, ready);
      else handle.stop();
    },
    close: () => handle.close(),
  };
}
