import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseJsonObject } from '../json-object';
import { readSmallFile } from '../storage/small-file';

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
  /** The serial console, for those who attach to it. */
  consoleSocket: 'console.sock',
  /** Who runs and with which children, or how it ended. */
  state: 'machine-state.json',
  /** Takes its place when the disk is full: see kept-file.ts. */
  spareState: 'machine-state.spare',
  /** What a suspended guest goes on from, and what that depends on: see suspension.ts. */
  suspended: 'suspended',
  suspension: 'suspended.json',
  /** gRPC, while the machine process lives: see control-socket.ts. */
  controlSocket: 'control.sock',
  /** Laid down before the disk of a warm image is copied, removed when the copy's guest is a machine of its own. */
  unfinishedClone: 'hyperkit.cloning',
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

/** The JSON object in a small file; undefined when there is none, it is longer than `maxBytes`, or is anything else. */
export function readJsonObject(file: string, maxBytes: number): Readonly<Record<string, unknown>> | undefined {
  const reading = readSmallFile(file, maxBytes);
  return 'text' in reading ? parseJsonObject(reading.text) : undefined;
}
