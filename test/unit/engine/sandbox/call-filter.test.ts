import { buildCallFilter, REFUSED_COUNT } from '../../../../engine/sandbox/call-filter';
import { REFUSED_CALLS } from '../../../../engine/sandbox/refused-calls';
import { runBpf } from './fixtures/bpf-machine';

const X86_64 = 0xc000_003e;
const I386 = 0x4000_0003;
const ARM64 = 0xc000_00b7;
const ALLOW = 0x7fff_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const CLONE = 56;
/** What glibc's pthread_create asks for: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID. */
const PTHREAD_FLAGS = 0x3d0f00n;

const filter = buildCallFilter();
const run = (number: number, argument?: bigint, architecture = X86_64): number =>
  runBpf(filter, { number, architecture, ...(argument !== undefined && { argument }) });
const refused = REFUSED_CALLS.flatMap(({ calls }) => Object.entries(calls));

test.each(refused)('%s is refused', (_name, number) => {
  expect(run(number)).toBe(EPERM);
});

test('every other call passes, all arguments', () => {
  const special = new Set([CLONE, 435, ...refused.map(([, number]) => number)]);
  const passing = Array.from({ length: 512 }, (_, number) => number).filter((number) => !special.has(number));
  expect(passing.filter((number) => run(number, 0xffff_ffff_ffff_ffffn) !== ALLOW)).toEqual([]);
  // read, mmap, ioctl, futex, epoll_wait, socket, io_uring_enter
  expect(passing).toEqual(expect.arrayContaining([0, 9, 16, 202, 232, 41, 426]));
});

test('no number is listed twice', () => {
  expect(new Set(refused.map(([, number]) => number)).size).toBe(REFUSED_COUNT);
});

test('clone makes threads, and neither processes nor namespaces', () => {
  expect(run(CLONE, PTHREAD_FLAGS)).toBe(ALLOW);
  // fork: SIGCHLD with CHILD_SETTID and CHILD_CLEARTID; vfork and posix_spawn: VM, VFORK, SIGCHLD
  expect(run(CLONE, 0x0120_0011n)).toBe(EPERM);
  expect(run(CLONE, 0x4111n)).toBe(EPERM);
  expect(run(CLONE, 0n)).toBe(EPERM);
  for (const namespace of [17, 25, 26, 27, 28, 29, 30]) {
    expect(run(CLONE, PTHREAD_FLAGS | (1n << BigInt(namespace)))).toBe(EPERM);
  }
  // The kernel looks at the low half alone.
  expect(run(CLONE, 0x1_0000_0000_0000n)).toBe(EPERM);
});

test('clone3 seems not to exist, so that the C library takes clone', () => {
  expect(run(435)).toBe(ENOSYS);
});

test.each([
  ['i386', I386, 20],
  ['i386', I386, 11],
  ['arm64', ARM64, 63],
])('calls of another architecture (%s) are refused, whatever they are', (_name, architecture, number) => {
  expect(run(number, undefined, architecture)).toBe(EPERM);
});

test('the x32 names of calls are refused', () => {
  for (const number of [0, 39, 59, 520, 545]) expect(run(number | 0x4000_0000)).toBe(EPERM);
  expect(run(0xffff_ffff)).toBe(EPERM);
});
