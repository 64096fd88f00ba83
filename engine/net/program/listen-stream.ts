import { createServer, type Socket } from 'node:net';
import { SO_ACCEPTCONN, SOL_SOCKET, sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import { formatSocketUrl, type SocketUrl } from '../attach/socket-url';
import { listenControl } from '../control/listen-control';

const MAX_CONNECTIONS = 256;

/**
 * Accepts connections for services that work on Node's streams.
 * @throws EngineError HK_NET_UNAVAILABLE
 */
export async function listenStream(url: SocketUrl, accept: (socket: Socket) => void): Promise<() => Promise<void>> {
  if (url.kind === 'path') {
    const listener = await listenControl(url.path, accept);
    return () => listener.close();
  }
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
    accept(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(
        new EngineError('HK_NET_UNAVAILABLE', `cannot listen on ${formatSocketUrl(url)}: ${cause.message}`, { cause }),
      );
    try {
      if (sockets.getOption(url.fd, SOL_SOCKET, SO_ACCEPTCONN) !== 1) throw new Error('it is not a listening socket');
      server.once('error', fail);
      server.listen({ fd: url.fd }, () => {
        server.off('error', fail);
        server.on('error', () => undefined);
        resolve();
      });
    } catch (cause) {
      fail(cause as Error);
    }
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of open) socket.destroy();
    });
}
