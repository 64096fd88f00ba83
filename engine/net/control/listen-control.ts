import { chmodSync, rmSync, type Stats, statSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { EngineError } from '../../errors';
import { socketPathFault } from '../endpoint-text';

/** A unix socket that is listened on. */
export interface ControlListener {
  /** Stops listening, removes the socket and closes its connections. */
  close(): Promise<void>;
}

const PROBE_LIMIT_MS = 2_000;
const MAX_CONNECTIONS = 256;

/**
 * Listens on a unix socket that only this user can connect to (mode 0600). The socket of a dead server is replaced.
 * Connections stay half open until both ends are done with them.
 * @throws EngineError HK_NET_UNAVAILABLE when somebody answers there already, when the path is taken by something else
 * or can't be used, and when other users could replace the socket because they can write to its folder.
 */
export async function listenControl(file: string, accept: (socket: Socket) => void): Promise<ControlListener> {
  await clearSocketPath(file);
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => connections.delete(socket));
    accept(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, file);
  server.on('error', () => {}); // Out of descriptors for a connection: the next one may find some.
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

/**
 * Makes sure that a unix socket can be made at a path and belongs to nobody but us there.
 * @throws EngineError HK_NET_UNAVAILABLE as `listenControl`
 */
export async function clearSocketPath(file: string): Promise<void> {
  const fault = socketPathFault(file);
  if (fault !== undefined) throw unavailable(file, fault);
  checkFolder(file);
  await removeDeadSocket(file);
}

function listen(server: Server, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(unavailable(file, cause.message, cause)));
    server.listen(file, () => {
      server.removeAllListeners('error');
      resolve();
    });
    // The socket is bound by now; for the moment until here the umask keeps others out.
    try {
      if (server.listening) chmodSync(file, 0o600);
    } catch (cause) {
      server.close();
      reject(unavailable(file, `its mode can't be set: ${(cause as Error).message}`, cause));
    }
  });
}

function checkFolder(file: string): void {
  const folder = path.dirname(file);
  let stat: Stats;
  try {
    stat = statSync(folder);
  } catch (cause) {
    throw unavailable(file, `its folder can't be used: ${(cause as Error).message}`, cause);
  }
  const othersMayWrite = (stat.mode & 0o022) !== 0;
  const othersMayReplace = othersMayWrite && (stat.mode & 0o1000) === 0; // Not in a sticky folder such as /tmp.
  const owned = stat.uid === process.geteuid?.() || stat.uid === 0;
  if (!owned || othersMayReplace) {
    throw unavailable(file, `other users can replace files in ${folder}; take a folder that is yours alone`);
  }
}

async function removeDeadSocket(file: string): Promise<void> {
  const stat = await lstat(file).catch(() => undefined);
  if (stat === undefined) return;
  if (!stat.isSocket()) throw unavailable(file, 'there is a file that is not a socket; remove it or take another path');
  const life = await probe(file);
  if (life === 'dead') {
    try {
      rmSync(file, { force: true });
    } catch (cause) {
      throw unavailable(file, `the socket of a dead server can't be removed: ${(cause as Error).message}`, cause);
    }
  } else if (life === 'alive') {
    throw unavailable(file, 'another program listens there; stop it or take another path');
  } else throw unavailable(file, `there is a socket that can't be tried: ${life.message}`, life);
}

/** Only a refused connection proves that nobody listens any more. */
function probe(file: string): Promise<'alive' | 'dead' | Error> {
  return new Promise((resolve) => {
    const socket = connect(file);
    const timer = setTimeout(() => finish('alive'), PROBE_LIMIT_MS); // Its backlog is full.
    const finish = (life: 'alive' | 'dead' | Error): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(life);
    };
    socket.once('connect', () => finish('alive'));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // EPROTOTYPE: it is one for datagrams, and somebody has it open.
      if (error.code === 'EPROTOTYPE') finish('alive');
      else finish(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'dead' : error);
    });
  });
}

function unavailable(file: string, reason: string, cause?: unknown): EngineError {
  return new EngineError('HK_NET_UNAVAILABLE', `cannot listen on ${file}: ${reason}`, { cause });
}
