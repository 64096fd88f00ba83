import type { Duplex } from 'node:stream';

/** Joins two streams. An end of one side is passed on while the other direction stays open; a broken one breaks both. */
export function splice(a: Duplex, b: Duplex): void {
  follow(a, b);
  follow(b, a);
  a.pipe(b);
  b.pipe(a);
}

function follow(stream: Duplex, other: Duplex): void {
  stream.on('error', () => other.destroy());
  stream.on('close', () => {
    // Closed in order: what the other side has not sent yet still goes out.
    if (stream.readableEnded && stream.writableFinished) return;
    other.destroy();
  });
}
