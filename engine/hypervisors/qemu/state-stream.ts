import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

/**
 * Makes a file of what QEMU writes to a socket. Resolves when `send` has and the file's content outlives a power cut;
 * otherwise what there is of the file stays, closed, and QEMU's end of the socket is broken. Errors pass through.
 */
export async function receiveState(
  file: string,
  send: (socketPath: string) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  // A unix socket's name has to be short, and QEMU 7 knows no other way that its own sandbox leaves open.
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hyperkit-'));
  const name = path.join(folder, 'state');
  const server = createServer();
  const abort = new AbortController();
  const giveUp = (): void => abort.abort(signal?.reason);
  signal?.addEventListener('abort', giveUp);
  let writing: Promise<void> | undefined;
  try {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(name, resolve));
    const received = new Promise<void>((resolve, reject) => {
      server.once('connection', (socket) => {
        writing = pipeline(socket, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal: abort.signal });
        writing.then(resolve, reject);
      });
    });
    await Promise.all([received, send(name)]);
    await synced(file);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
    abort.abort();
    await writing?.catch(() => undefined);
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Its content outlives a power cut. */
export async function synced(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
