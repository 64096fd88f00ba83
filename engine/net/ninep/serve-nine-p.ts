import type { Duplex } from 'node:stream';
import { MessageReader } from './message-reader';
import { NinePSession } from './session';
import type { NinePDirectory } from './tree';

/** A 9P connection being served. */
export interface NinePConnection {
  /** Resolves when it has ended and everything the client held is let go. Never rejects. */
  readonly closed: Promise<void>;
  close(): void;
}

/**
 * Serves a tree over plain 9P2000 until the client leaves or breaks the protocol. Reads no further while the client
 * does not take its replies, and while 64 requests are under way.
 */
export function serveNineP(duplex: Duplex, tree: NinePDirectory): NinePConnection {
  duplex.on('error', () => {}); // A connection that breaks closes, which is all there is to know.
  return { closed: serve(duplex, tree), close: () => duplex.destroy() };
}

async function serve(duplex: Duplex, tree: NinePDirectory): Promise<void> {
  const session = new NinePSession(tree, (reply) => {
    if (!duplex.destroyed) duplex.write(reply);
  });
  const reader = new MessageReader(() => session.msize);
  try {
    for await (const chunk of duplex as AsyncIterable<Buffer>) {
      for (const message of reader.push(chunk)) {
        await session.take(message);
        await drained(duplex);
      }
    }
  } catch {
    // The connection broke, or what came is not 9P: nothing to say to whoever sent it.
  } finally {
    duplex.destroy();
    await session.end();
  }
}

/** Waits until the peer has read enough of what was written, or is gone. */
function drained(duplex: Duplex): Promise<void> | undefined {
  if (!duplex.writableNeedDrain || duplex.destroyed) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      duplex.off('drain', done).off('close', done);
      resolve();
    };
    duplex.on('drain', done).on('close', done);
  });
}
