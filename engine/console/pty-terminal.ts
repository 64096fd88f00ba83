import { closeSync, lstatSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { DescriptorStream } from './descriptor-stream';
import type { SerialLine } from './serial-line';
import { openStreamTerminal } from './stream-terminal';

export interface PtyTerminal {
  readonly line: SerialLine;
  /** What a terminal program opens, e.g. `/dev/pts/3`. */
  readonly slavePath: string;
}

/**
 * A new pseudo-terminal, for `screen` or the like. It is raw, and stays open when such a program comes and goes.
 * @param linkPath becomes a symbolic link to it, in place of what was there, and is removed in the end. HyperKit writes
 * the name into a file instead; everybody who opens the path wants the terminal.
 * @throws NativeError, and errors of the file system.
 */
export async function openPtyTerminal(linkPath: string | undefined): Promise<PtyTerminal> {
  // koffi is loaded by those who need it.
  const { openPty, pollDescriptor } = await import('../../native/pty');
  const { master, slave, slavePath } = openPty();
  try {
    if (linkPath !== undefined) replaceLink(linkPath, slavePath);
    const line = openStreamTerminal(new DescriptorStream(master, pollDescriptor), () => {
      closeSync(slave);
      if (linkPath !== undefined) removeLink(linkPath, slavePath);
    });
    return { line, slavePath };
  } catch (error) {
    closeSync(slave);
    closeSync(master);
    throw error;
  }
}

/** Takes the place of an earlier link or of HyperKit's file, but of nothing else. */
function replaceLink(path: string, target: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isSymbolicLink() || there?.isFile()) unlinkSync(path);
  symlinkSync(target, path);
}

function removeLink(path: string, target: string): void {
  try {
    if (readlinkSync(path) === target) unlinkSync(path);
  } catch {
    // Somebody else has put something there, or the folder is gone.
  }
}
