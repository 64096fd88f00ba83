import type { Readable, Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';

/** This side of a session: the terminal or the pipes that the user gave us. */
export interface LocalStreams {
  readonly stdin: Readable & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>;
  readonly stdout: Writable & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>;
  readonly stderr: Writable;
}

/** Size of a terminal nobody knows the size of (a VT100). */
const DEFAULT_SIZE = { cols: 80, rows: 24 };

export function terminalSize({ columns, rows }: LocalStreams['stdout']): {
  readonly cols: number;
  readonly rows: number;
} {
  // A terminal of no size, as a pseudo-terminal is at first, is as good as unknown.
  return columns && rows ? { cols: columns, rows } : DEFAULT_SIZE;
}

/**
 * Copies bytes as fast as the slower side goes. A side that breaks ends the copying; `broken` tells of the output.
 * @returns stops it, and leaves both streams open
 */
export function copyStream(from: Readable, to: Writable, broken: (error: Error) => void): () => void {
  const onData = (bytes: Uint8Array): void => {
    if (!to.write(bytes)) from.pause();
  };
  const onDrain = (): void => {
    from.resume();
  };
  from.on('data', onData);
  to.on('drain', onDrain).on('error', broken);
  return () => {
    from.off('data', onData);
    to.off('drain', onDrain);
    from.pause();
  };
}
