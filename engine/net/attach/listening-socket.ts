import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { AF_UNIX, SO_ACCEPTCONN, SO_TYPE, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import { clearSocketPath } from '../control/listen-control';
import { formatSocketUrl, type SocketUrl } from './socket-url';

/** A non-blocking socket on which guests are expected. */
export interface ListeningSocket {
  readonly fd: number;
  /** For people. */
  readonly name: string;
  /** Closes it, and removes its path. */
  close(): void;
}

const BACKLOG = 128;

/**
 * Listens on a unix socket that is this user's alone, or takes over a descriptor.
 * @param type SOCK_STREAM, or SOCK_DGRAM for a socket that only receives.
 * @throws EngineError HK_NET_UNAVAILABLE
 */
export async function openListeningSocket(
  url: SocketUrl,
  type: typeof SOCK_STREAM | typeof SOCK_DGRAM = SOCK_STREAM,
): Promise<ListeningSocket> {
  const name = formatSocketUrl(url);
  if (url.kind === 'path') await clearSocketPath(url.path);
  try {
    return url.kind === 'path' ? bindPath(url.path, type) : takeDescriptor(url.fd, name, type);
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('HK_NET_UNAVAILABLE', `cannot listen on ${name}: ${(cause as Error).message}`, { cause });
  }
}

function bindPath(path: string, type: number): ListeningSocket {
  const fd = sockets.socket(AF_UNIX, type);
  let inode: bigint;
  try {
    sockets.bindPath(fd, path);
    chmodSync(path, 0o600);
    inode = inodeOf(path);
    // Nobody could connect until here.
    if (type === SOCK_STREAM) sockets.listen(fd, BACKLOG);
  } catch (error) {
    sockets.close(fd);
    throw error;
  }
  return {
    fd,
    name: path,
    close: () => {
      sockets.close(fd);
      try {
        // Whoever took the path over meanwhile keeps it.
        if (inodeOf(path) === inode) unlinkSync(path);
      } catch {
        // It is gone already.
      }
    },
  };
}

function takeDescriptor(fd: number, name: string, type: number): ListeningSocket {
  const isListening = type === SOCK_DGRAM || sockets.getOption(fd, SOL_SOCKET, SO_ACCEPTCONN) === 1;
  if (!isListening || sockets.getOption(fd, SOL_SOCKET, SO_TYPE) !== type) {
    const wanted = type === SOCK_DGRAM ? 'a datagram socket' : 'a listening stream socket';
    throw new EngineError('HK_NET_UNAVAILABLE', `cannot listen on ${name}: it is not ${wanted}`);
  }
  sockets.setNonBlocking(fd);
  return { fd, name, close: () => sockets.close(fd) };
}

function inodeOf(path: string): bigint {
  return lstatSync(path, { bigint: true }).ino;
}
