import type { Duplex } from 'node:stream';

/**
 * Joins two streams until both directions have ended. The end of one direction is passed on and leaves the other open;
 * a stream that breaks takes the other with it. Both have to allow half-open connections.
 */
export function joinStreams(left: Duplex, right: Duplex): void {
  passOn(left, right);
  passOn(right, left);
}

function passOn(from: Duplex, to: Duplex): void {
  from.pipe(to);
  from.on('error', () => to.destroy());
  const closed = (): void => {
    if (!from.readableEnded || !from.writableFinished) to.destroy();
  };
  if (from.destroyed) closed();
  else from.once('close', closed);
}
