import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** What a file says, or why it cannot be read; `code` is the system's: ENOENT when there is no such file. */
export type FileReading = { readonly text: string } | { readonly problem: string; readonly code?: string };

/** Reads a regular file of at most `maxBytes` as UTF-8. Never throws, and never waits for anybody. */
export function readSmallFile(file: string, maxBytes: number): FileReading {
  let fd: number | undefined;
  try {
    // O_NONBLOCK: opening a FIFO that somebody put there must not wait for its writer.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { problem: 'it is no regular file' };
    if (stat.size > maxBytes) return { problem: `it is longer than ${maxBytes} bytes` };
    // No more than that, even if somebody writes to it now.
    const bytes = Buffer.alloc(stat.size);
    return { text: bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0)) };
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    return { problem: message, ...(code === undefined ? {} : { code }) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
