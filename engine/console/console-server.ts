import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { nameSocket, type SocketName } from '../machine/folder-socket';
import { MACHINE_FILES } from '../machine/machine-files';
import { BoundedOutput } from './bounded-output';
import type { SerialLine } from './serial-line';

/** What a newcomer is shown of what was said before: some screens. */
const HISTORY_BYTES = 8 * 1024;
const MAX_CLIENTS = 16;
const LAST_OUTPUT_MS = 500;

/**
 * A machine's serial line behind a socket of its folder, for as many as want: everybody sees the guest's output, and
 * what anybody types goes in. Somebody who does not read loses output and holds nobody up.
 * The socket is this user's only. Errors of the file system pass through.
 */
export async function serveConsole(stateDir: string): Promise<SerialLine> {
  const file = path.join(stateDir, MACHINE_FILES.consoleSocket);
  // Whoever serves has the machine's claim, so what lies there is of a machine that is gone.
  rmSync(file, { force: true });
  const name = nameSocket(stateDir, MACHINE_FILES.consoleSocket);
  const hub = new ConsoleHub();
  const server = createServer((socket) => hub.add(socket));
  server.maxConnections = MAX_CLIENTS;
  try {
    await listen(server, name);
    chmodSync(file, 0o600);
  } catch (error) {
    server.close();
    name.release();
    throw error;
  }
  server.on('error', () => undefined); // One client less, for want of descriptors.
  server.unref();
  return {
    write: (bytes) => hub.write(bytes),
    read: (listener) => hub.read(listener),
    pauseInput: () => hub.setPaused(true),
    resumeInput: () => hub.setPaused(false),
    close: async () => {
      // It removes its file, by the name that it was given.
      server.close(() => name.release());
      await hub.close();
    },
  };
}

async function listen(server: Server, name: SocketName): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(name.path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Those who look at the console now. */
class ConsoleHub {
  readonly #clients = new Map<Socket, BoundedOutput>();
  #listener: ((bytes: Uint8Array) => void) | undefined;
  #history: Buffer = Buffer.alloc(0);
  #paused = false;

  add(socket: Socket): void {
    const output = new BoundedOutput(socket);
    this.#clients.set(socket, output);
    socket.once('close', () => this.#clients.delete(socket));
    socket.on('data', (bytes) => this.#listener?.(bytes));
    if (this.#paused) socket.pause();
    output.write(this.#history);
  }

  write(bytes: Uint8Array): void {
    this.#history = Buffer.concat([this.#history, bytes]).subarray(-HISTORY_BYTES);
    for (const output of this.#clients.values()) output.write(bytes);
  }

  /** A guest that was started again has another listener; the clients stay. */
  read(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
    this.setPaused(false);
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    for (const socket of this.#clients.keys()) {
      if (paused) socket.pause();
      else socket.resume();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map(async (output) => await output.drained(LAST_OUTPUT_MS)));
    for (const socket of this.#clients.keys()) socket.destroy();
  }
}
