import { type FileHandle, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONSOLE_LOG } from './tail';

const LOOK_EVERY_MS = 200;
const CHUNK_BYTES = 64 * 1024;

/** What is read of a console log. */
export interface LogReading {
  /** Lines from its end to begin with; undefined: all of it. */
  readonly tail: number | undefined;
  /** Go on with what is written later, also by later launches of the machine, until the signal or the end of its folder. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * The bytes of a machine's console since it was last launched. Nothing when there is no log yet. Errors of the file
 * system pass through.
 */
export async function* readConsoleLog(stateDir: string, reading: LogReading): AsyncGenerator<Uint8Array> {
  const { follow, signal } = reading;
  const file = path.join(stateDir, CONSOLE_LOG);
  let log = await openIfThere(file);
  let position = log === undefined || reading.tail === undefined ? 0 : await findTail(log, reading.tail);
  try {
    for (;;) {
      // Asked before the rest is read: what is written to a log that has been put aside since is read first.
      const isCurrent = log !== undefined && (await isSameFile(log, file));
      while (log !== undefined && !signal.aborted) {
        const bytes = Buffer.alloc(CHUNK_BYTES);
        const { bytesRead } = await log.read(bytes, 0, bytes.length, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        yield bytes.subarray(0, bytesRead);
      }
      if (!follow || signal.aborted) return;
      if (!isCurrent) {
        await log?.close();
        log = undefined;
        if ((await stat(stateDir).catch(() => undefined)) === undefined) return;
        log = await openIfThere(file);
        position = 0;
        if (log !== undefined) continue;
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await log?.close();
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether the name still stands for what is open: a launch and a full log put it aside. */
async function isSameFile(log: FileHandle, file: string): Promise<boolean> {
  const [opened, named] = await Promise.all([log.stat(), stat(file).catch(() => undefined)]);
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}

/** Where the last lines begin. */
async function findTail(log: FileHandle, lines: number): Promise<number> {
  const { size } = await log.stat();
  const bytes = Buffer.alloc(CHUNK_BYTES);
  if (lines === 0) return size;
  let missing = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await log.read(bytes, 0, end - start, start);
    for (let index = bytesRead - 1; index >= 0; index--) {
      // A line end at the very end closes the last line and begins none.
      if (bytes[index] !== 0x0a || start + index === size - 1) continue;
      if (--missing <= 0) return start + index + 1;
    }
    end = start;
  }
  return 0;
}
