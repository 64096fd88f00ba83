import { closeSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  LANDLOCK_ACCESS_FS as ACCESS,
  LANDLOCK_RESTRICT_SELF_TSYNC,
  LANDLOCK_SCOPE,
  landlock,
} from '../../native/landlock';
import { NativeError } from '../../native/native-error';

/** Where a process may still change something. All paths are absolute; a file that is not there is no obstacle. */
export interface WritablePlaces {
  /** Beneath them files, folders, links and sockets are made, changed and removed. */
  readonly folders: readonly string[];
  /** Files and devices that are opened for writing, and neither made nor removed. */
  readonly files: readonly string[];
  /** Files that it removes when it ends. The rule is of their folders: nothing finer is to be had. */
  readonly removed: readonly string[];
}

/** linux/fcntl.h: a descriptor that names a file and opens nothing. */
const O_PATH = 0o10000000;

const USE_FILE = ACCESS.WRITE_FILE | ACCESS.TRUNCATE | ACCESS.IOCTL_DEV;
const USE_FOLDER =
  ACCESS.WRITE_FILE |
  ACCESS.TRUNCATE |
  ACCESS.REMOVE_FILE |
  ACCESS.REMOVE_DIR |
  ACCESS.MAKE_REG |
  ACCESS.MAKE_DIR |
  ACCESS.MAKE_SOCK |
  ACCESS.MAKE_SYM;
/** Handled and allowed nowhere: to execute, to make devices and pipes, and to move files from one folder to another. */
const DENIED = ACCESS.EXECUTE | ACCESS.MAKE_CHAR | ACCESS.MAKE_BLOCK | ACCESS.MAKE_FIFO | ACCESS.REFER;
/** The ABI that brought a right which the first has not. */
const SINCE = [
  [ACCESS.REFER, 2],
  [ACCESS.TRUNCATE, 3],
  [ACCESS.IOCTL_DEV, 5],
] as const;
const SCOPES_ABI = 6;
const TSYNC_ABI = 8;

/** Needed wherever guests run. */
const DEVICES = ['/dev/kvm', '/dev/null'];

/**
 * Leaves this process no way to write to, make, remove or execute files but in `places`, by Landlock; what is open stays
 * open. Where the kernel has it, signals and abstract sockets of other processes are out of reach, too. Binds the calling
 * thread and those that it makes from now on: kernels before 7.0 (ABI 8) don't reach the ones that there are.
 * @returns the version of Landlock's interface. @throws NativeError ENOSYS or EOPNOTSUPP where this kernel has no Landlock
 */
export function confineFiles(places: WritablePlaces): number {
  const abi = landlock.abi();
  const handled = rightsOf(abi, USE_FILE | USE_FOLDER | DENIED);
  const scopes = abi >= SCOPES_ABI ? LANDLOCK_SCOPE.SIGNAL | LANDLOCK_SCOPE.ABSTRACT_UNIX_SOCKET : 0;
  const ruleset = landlock.createRuleset(handled, scopes);
  try {
    const allow = (place: string, access: number): void => allowBeneath(ruleset, place, access & handled);
    for (const file of [...DEVICES, ...places.files]) allow(file, USE_FILE);
    for (const folder of places.folders) allow(findFolder(folder), USE_FOLDER);
    for (const file of places.removed) allow(path.dirname(file), ACCESS.REMOVE_FILE);
    landlock.restrictSelf(ruleset, abi >= TSYNC_ABI ? LANDLOCK_RESTRICT_SELF_TSYNC : 0);
  } finally {
    closeSync(ruleset);
  }
  return abi;
}

/** A kernel refuses a rule with rights that it does not know. */
function rightsOf(abi: number, access: number): number {
  return SINCE.reduce((known, [right, since]) => (abi < since ? known & ~right : known), access);
}

function allowBeneath(ruleset: number, place: string, access: number): void {
  let fd: number;
  try {
    fd = openSync(place, O_PATH);
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return;
    throw new NativeError(`open(${place})`, code, { cause });
  }
  try {
    landlock.allowBeneath(ruleset, fd, access);
  } finally {
    closeSync(fd);
  }
}

/** A folder that will be made is beneath the nearest one that there is. */
function findFolder(folder: string): string {
  const there = statSync(folder, { throwIfNoEntry: false }) !== undefined;
  return there || folder === path.dirname(folder) ? folder : findFolder(path.dirname(folder));
}
