import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { toPlainLines } from './plain-text';

/** Name of the console log in a machine's state folder. */
export const CONSOLE_LOG = 'console.log';

const WINDOW_BYTES = 64 * 1024;

/**
 * The last lines of the guest's console since it was last launched, safe to print. Empty when there is no log; never throws.
 */
export async function tail(stateDir: string, lines: number): Promise<string[]> {
  return lines > 0 ? toPlainLines(await readEnd(path.join(stateDir, CONSOLE_LOG))).slice(-lines) : [];
}

/** The last bytes of a log, from a file's end. Empty when it cannot be read. */
export async function readEnd(file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.min(size, WINDOW_BYTES));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, bytesRead);
  } catch {
    return new Uint8Array();
  } finally {
    await handle?.close();
  }
}
