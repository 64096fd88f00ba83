/** System calls that are of one kind, and why a process whose guest runs has no use for them. */
export interface RefusedCalls {
  readonly why: string;
  /** Numbers of x86-64 (asm/unistd_64.h). */
  readonly calls: Readonly<Record<string, number>>;
}

/**
 * What is refused with EPERM. An allow-list is out of reach with V8 and libuv, whose calls change from version to version;
 * so these are the calls by which somebody who has taken the process over gets further than to what it has open, or to
 * parts of the kernel that are seldom used and often attacked. clone(2) and clone3(2) are call-filter.ts's.
 */
export const REFUSED_CALLS: readonly RefusedCalls[] = [
  {
    why: 'run another program, or become another process',
    calls: { execve: 59, execveat: 322, uselib: 134, fork: 57, vfork: 58 },
  },
  {
    why: 'read, change or stop processes of the same user',
    calls: {
      ptrace: 101,
      process_vm_readv: 310,
      process_vm_writev: 311,
      process_madvise: 440,
      pidfd_getfd: 438,
      kcmp: 312,
      move_pages: 279,
      migrate_pages: 256,
    },
  },
  {
    why: 'change what the file system looks like, or leave the part of it that is visible',
    calls: {
      mount: 165,
      umount2: 166,
      pivot_root: 155,
      chroot: 161,
      open_tree: 428,
      move_mount: 429,
      fsopen: 430,
      fsconfig: 431,
      fsmount: 432,
      fspick: 433,
      mount_setattr: 442,
    },
  },
  {
    why: 'be somewhere else, with other rights: namespaces of users are where many a kernel hole begins',
    calls: { setns: 308, unshare: 272 },
  },
  {
    why: "reach files and devices past their folders' rights, as root can",
    calls: { open_by_handle_at: 304, mknod: 133, mknodat: 259, fanotify_init: 300 },
  },
  {
    why: 'bring code into the kernel',
    calls: {
      bpf: 321,
      init_module: 175,
      finit_module: 313,
      delete_module: 176,
      kexec_load: 246,
      kexec_file_load: 320,
    },
  },
  {
    why: 'reach hardware past the kernel',
    calls: { iopl: 172, ioperm: 173 },
  },
  {
    why: 'large and seldom needed parts of the kernel, which attacks on it go through',
    calls: {
      userfaultfd: 323,
      perf_event_open: 298,
      modify_ldt: 154,
      // Not io_uring_enter (426): newer versions of libuv have a ring from their start on, and wait by it.
      io_uring_setup: 425,
      io_uring_register: 427,
    },
  },
  {
    why: "the user's keys in the kernel",
    calls: { add_key: 248, request_key: 249, keyctl: 250 },
  },
  {
    why: 'run with less protection against what a hole in memory allows',
    calls: { personality: 135 },
  },
  {
    why: 'the whole computer, as root can',
    calls: {
      reboot: 169,
      swapon: 167,
      swapoff: 168,
      acct: 163,
      quotactl: 179,
      quotactl_fd: 443,
      syslog: 103,
      vhangup: 153,
      sethostname: 170,
      setdomainname: 171,
      settimeofday: 164,
      clock_settime: 227,
      adjtimex: 159,
      clock_adjtime: 305,
    },
  },
];
