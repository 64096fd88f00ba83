import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

/** Names of the files in a machine's state folder. The first four are HyperKit's own. */
export const MACHINE_FILES = {
  /** The machine's definition, in the schema of HyperKit's Go binding. */
  config: 'hyperkit.json',
  /** Decimal pid of the machine process, no newline. */
  pid: 'hyperkit.pid',
  consoleRing: 'console-ring',
  /** What the machine process says about itself. */
  log: 'hyperkit.log',
  /** The guest's console since it was launched, bounded; `.1` holds what came before. */
  consoleLog: 'console.log',
  /** Who runs and with which children, or how it ended. */
  state: 'machine-state.json',
  /** `machine-claim.N`: see claim.ts. */
  claimPrefix: 'machine-claim.',
} as const;

/** Ends the name of a file that is still being written. */
const DRAFT_SUFFIX = '.draft';

export const DRAFT_NAME = /^\..+\.[0-9a-f]{12}\.draft$/;

/** A name beside `file` that nobody else uses. */
export function draftOf(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}${DRAFT_SUFFIX}`);
}

/**
 * Replaces a small file so that readers see the old content or the new one. Not synced to the disk: these files speak
 * of processes, which a power cut ends too. Errors of the file system pass through.
 */
export function replaceSmallFile(file: string, content: string, mode: number): void {
  const draft = draftOf(file);
  try {
    writeFileSync(draft, content, { mode, flag: 'wx' });
    chmodSync(draft, mode); // whatever the umask says
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Reads a small regular file; undefined when there is none, it is longer than `maxBytes`, or is anything else. */
export function readSmallFile(file: string, maxBytes: number): string | undefined {
  let fd: number;
  try {
    // O_NONBLOCK: opening a FIFO that somebody put there must not wait for its writer.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > maxBytes) return undefined;
    const bytes = Buffer.alloc(stat.size);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** The text as a JSON object; undefined when it is anything else. */
export function parseJsonObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
