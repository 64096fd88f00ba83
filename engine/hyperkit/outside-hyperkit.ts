import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';

/** The Go binding's list, without what PATH finds. */
const PLACES = [
  '/usr/local/bin/hyperkit',
  '/Applications/Docker.app/Contents/Resources/bin/hyperkit',
  '/Applications/Docker.app/Contents/MacOS/com.docker.hyperkit',
];
const NAMES = ['hyperkit', 'com.docker.hyperkit'];
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** Mach-O, 64 bits, and a file of several architectures (mach-o/loader.h, mach-o/fat.h), as they lie in the file. */
const MACH_O = [0xcffaedfe, 0xcafebabe];

/** The real HyperKit of an Intel Mac; undefined when there is none. Programs that are scripts, like this one, are not it. */
export function findOutsideHyperkit(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.platform !== 'darwin' || process.arch !== 'x64') return undefined;
  const folders = (environment.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  const candidates = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [...candidates, ...PLACES].find(isMachO);
}

/** Whether a file is a program of macOS. Never throws. */
export function isMachO(file: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(realpathSync(file), 'r');
    const head = Buffer.alloc(4);
    return readSync(fd, head) === head.length && MACH_O.includes(head.readUInt32BE());
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Runs it in this process's place: its terminal, its signals, its exit status are ours. */
export async function runOutsideHyperkit(program: string, words: readonly string[]): Promise<number> {
  const child = spawn(program, words, { stdio: 'inherit' });
  const listeners = PASSED_ON.map((name) => [name, () => void child.kill(name)] as const);
  for (const [name, listener] of listeners) process.on(name, listener);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
    });
  } finally {
    for (const [name, listener] of listeners) process.off(name, listener);
  }
}
