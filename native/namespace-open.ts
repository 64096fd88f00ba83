import { Worker } from 'node:worker_threads';
import { errnoName, NativeError } from './native-error';

const CLONE_NEWNET = 0x40000000;
const O_RDONLY_CLOEXEC = 0o2000000;
const DEADLINE_MS = 10_000;
/** Words of the memory that both threads see. */
const DONE = 0;
const RESULT = 1;
const STEP = 2;
const STEPS = ['open(the namespace)', 'setns', 'open(the file)'];

/** Plain JavaScript, so that it is the same in a bundle and in a test. */
const SCRIPT = `
const { workerData } = require('node:worker_threads');
const { koffiPath, netns, file, flags, words } = workerData;
const koffi = require(koffiPath);
const library = koffi.load(null);
const open = library.func('int open(const char *, int)');
const setns = library.func('int setns(int, int)');
const close = library.func('int close(int)');
const step = (number, call) => {
  words[${STEP}] = number;
  const result = call();
  if (result < 0) throw new Error();
  return result;
};
try {
  const namespace = step(0, () => open(netns, ${O_RDONLY_CLOEXEC}));
  try {
    step(1, () => setns(namespace, ${CLONE_NEWNET}));
  } finally {
    const errno = koffi.errno();
    close(namespace);
    koffi.errno(errno);
  }
  words[${RESULT}] = step(2, () => open(file, flags));
} catch {
  words[${RESULT}] = -koffi.errno();
}
Atomics.store(words, ${DONE}, 1);
Atomics.notify(words, ${DONE});
`;

/**
 * Opens a file as a member of a network namespace, which is what tun devices belong to. A thread of its own enters the
 * namespace and ends there, because nobody without power over our namespace could come back.
 * @param netns e.g. `/proc/PID/ns/net`
 * @returns the descriptor. @throws NativeError
 */
export function openInNamespace(netns: string, file: string, flags: number): number {
  const words = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
  const koffiPath = require.resolve('koffi');
  const worker = new Worker(SCRIPT, { eval: true, workerData: { koffiPath, netns, file, flags, words } });
  worker.unref();
  // Whatever it is, it shows as the time-out.
  worker.on('error', () => undefined);
  if (Atomics.wait(words, DONE, 0, DEADLINE_MS) === 'timed-out') {
    void worker.terminate();
    throw new NativeError(`opening ${file} in ${netns}`, 'ETIMEDOUT');
  }
  const result = words[RESULT] ?? -1;
  if (result >= 0) return result;
  throw new NativeError(`${STEPS[words[STEP] ?? 0]} for ${file} in ${netns}`, errnoName(-result));
}
