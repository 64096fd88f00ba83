import koffi from 'koffi';
import { errnoName, NativeError } from './native-error';
import { allocatePinned } from './pinned-buffer';

const library = koffi.load(null);
// syscall is variadic; on x86-64 integers and addresses are passed the same way.
const syscall = library.func('long syscall(long, uintptr_t, ulong, uintptr_t, ulong)') as unknown as (
  ...parameters: readonly number[]
) => number;

/** asm/unistd_64.h */
const SYS_LANDLOCK_CREATE_RULESET = 444;
const SYS_LANDLOCK_ADD_RULE = 445;
const SYS_LANDLOCK_RESTRICT_SELF = 446;

/** linux/landlock.h, as everything below. */
const LANDLOCK_CREATE_RULESET_VERSION = 1;
const LANDLOCK_RULE_PATH_BENEATH = 1;
/** Since ABI 8: not the calling thread alone, but all that there are. */
export const LANDLOCK_RESTRICT_SELF_TSYNC = 1 << 3;

/** Rights to files and folders. */
export const LANDLOCK_ACCESS_FS = {
  EXECUTE: 1 << 0,
  WRITE_FILE: 1 << 1,
  READ_FILE: 1 << 2,
  READ_DIR: 1 << 3,
  REMOVE_DIR: 1 << 4,
  REMOVE_FILE: 1 << 5,
  MAKE_CHAR: 1 << 6,
  MAKE_DIR: 1 << 7,
  MAKE_REG: 1 << 8,
  MAKE_SOCK: 1 << 9,
  MAKE_FIFO: 1 << 10,
  MAKE_BLOCK: 1 << 11,
  MAKE_SYM: 1 << 12,
  /** Since ABI 2; before it, and where it is not granted, files can't be moved or linked to another folder. */
  REFER: 1 << 13,
  /** Since ABI 3. */
  TRUNCATE: 1 << 14,
  /** Since ABI 5: ioctl(2) on device files that are opened from then on. */
  IOCTL_DEV: 1 << 15,
} as const;

/** What a thread may not do to processes outside of its domain. */
export const LANDLOCK_SCOPE = {
  /** Since ABI 6. */
  ABSTRACT_UNIX_SOCKET: 1 << 0,
  SIGNAL: 1 << 1,
} as const;

/**
 * struct landlock_ruleset_attr: 0 u64 handled_access_fs, 8 u64 handled_access_net (ABI 4), 16 u64 scoped (ABI 6). Older
 * kernels take the longer structure when what they don't know is zero.
 */
const RULESET_ATTR_BYTES = 24;
/** struct landlock_path_beneath_attr, packed: 0 u64 allowed_access, 8 s32 parent_fd */
const PATH_BENEATH_ATTR_BYTES = 12;

function check(call: string, result: number): number {
  if (result < 0) throw new NativeError(call, errnoName(koffi.errno()));
  return result;
}

/** landlock(7). Each call throws NativeError. */
export const landlock = {
  /** The version of the kernel's interface; each has what the ones before it have. */
  abi: (): number =>
    check(
      'landlock_create_ruleset(version)',
      syscall(SYS_LANDLOCK_CREATE_RULESET, 0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0),
    ),

  /**
   * A set of rules that denies all it handles; its descriptor is the caller's.
   * @param accessFs of LANDLOCK_ACCESS_FS. @param scopes of LANDLOCK_SCOPE
   */
  createRuleset: (accessFs: number, scopes: number): number => {
    const attribute = allocatePinned(RULESET_ATTR_BYTES);
    attribute.view.setUint32(0, accessFs, true);
    attribute.view.setUint32(16, scopes, true);
    return check(
      'landlock_create_ruleset',
      syscall(SYS_LANDLOCK_CREATE_RULESET, attribute.address, RULESET_ATTR_BYTES, 0, 0),
    );
  },

  /** Allows rights that the set handles to a file, or to a folder and what is beneath it. `fd` may be of O_PATH. */
  allowBeneath: (ruleset: number, fd: number, access: number): void => {
    const attribute = allocatePinned(PATH_BENEATH_ATTR_BYTES);
    attribute.view.setUint32(0, access, true);
    attribute.view.setInt32(8, fd, true);
    const result = syscall(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, attribute.address, 0);
    check('landlock_add_rule', result);
  },

  /**
   * Binds the calling thread, and those that it makes later, for good. Denied new privileges, or root, it has to be.
   * @param flags LANDLOCK_RESTRICT_SELF_TSYNC or 0
   */
  restrictSelf: (ruleset: number, flags: number): void =>
    void check('landlock_restrict_self', syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, flags, 0, 0)),
} as const;
