import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';

/**
 * A stream that writes to a descriptor and never blocks this thread, whoever is at its other end. `process.stdout` does
 * block when a terminal stands still; a file is written at once, as files have no reader to wait for.
 */
export function openOutputStream(fd: number): Writable {
  // Node's WriteStream makes a terminal blocking; its ReadStream writes as well, and does not.
  if (isatty(fd)) return new ReadStream(fd);
  const stat = fstatSync(fd);
  return stat.isFIFO() || stat.isSocket() ? new Socket({ fd, readable: false, writable: true }) : fileStream(fd);
}

function fileStream(fd: number): Writable {
  return new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      try {
        writeSync(fd, chunk);
      } catch {
        // A full disk must not stop a guest.
      }
      done();
    },
  });
}
