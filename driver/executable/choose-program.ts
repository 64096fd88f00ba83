import path from 'node:path';

/** What the executable is, by the name it is called by. */
const PROGRAMS = ['docker-machine-driver-hyperkit', 'hyperkit', 'vpnkit'] as const;

/** Processes of our own, by their files. */
const DETACHED = new Set(['hyperkit-machine.cjs', 'hyperkit-network.cjs']);

/** What Node would have been told: a program of dist/, and its words. */
export interface ProgramCall {
  /** Its folder; of an older version for a machine that a process of that version starts. */
  readonly folder: string;
  /** Its file, absolute. */
  readonly file: string;
  readonly words: readonly string[];
}

/** Where this executable's files are unpacked to, and those of its other versions beside it. */
export interface ProgramFolders {
  readonly all: string;
  readonly own: string;
}

/**
 * Chooses by the name of the executable (a link to it has its own), else by the first word, else takes `hyperkit`.
 * Our own processes are started as Node starts a file, see engine/machine/launch.ts: that file is its own choice.
 */
export function chooseProgram(name: string, words: readonly string[], folders: ProgramFolders): ProgramCall {
  const [first = '', ...rest] = words;
  const ownFolder = path.resolve(first, '../..');
  const isOurs = DETACHED.has(path.basename(first)) && first === path.join(ownFolder, 'dist', path.basename(first));
  if (isOurs && path.dirname(ownFolder) === folders.all) {
    return { folder: ownFolder, file: first, words: rest };
  }
  const call = (program: string, its: readonly string[]): ProgramCall => ({
    folder: folders.own,
    file: path.join(folders.own, 'dist', `${program}.cjs`),
    words: its,
  });
  const called = PROGRAMS.find((program) => program === path.basename(name));
  if (called !== undefined) return call(called, words);
  const worded = PROGRAMS.find((program) => program === first);
  return worded === undefined ? call('hyperkit', words) : call(worded, rest);
}
