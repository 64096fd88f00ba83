import { createServer, type Server, type Socket } from 'node:net';
import { parsePort } from '../../engine/net/endpoint-text';
import { joinStreams } from '../../engine/net/join-streams';
import { DriverError } from '../errors';
import type { SshConnection } from './ssh-connection';

/** A port of this host that leads through a login to an address in the guest's network, ssh's `-L`. */
export interface LocalForward {
  /** Of this host. */
  readonly bind: string;
  readonly port: number;
  /** As the guest knows it. */
  readonly host: string;
  readonly hostPort: number;
}

const FORM = '[bind:]port:host:hostport';

/** Reads `[bind:]port:host:hostport`; IPv6 addresses stand in brackets. @throws DriverError HK_USAGE */
export function parseLocalForward(text: string): LocalForward {
  const parts = text.match(/\[[^\]]*\]|[^:[\]]+/g) ?? [];
  const [hostPort, host, port, bind = '127.0.0.1'] = parts.map((part) => part.replace(/^\[|\]$/g, '')).reverse();
  const wellFormed = parts.join(':') === text && (parts.length === 3 || parts.length === 4);
  const local = parsePort(port ?? '');
  const remote = parsePort(hostPort ?? '');
  if (!wellFormed || local === undefined || !remote || host === undefined) {
    throw new DriverError('HK_USAGE', `cannot forward "${text}": give ${FORM}, for example 8080:localhost:80`);
  }
  return { bind: bind === '*' ? '::' : bind, port: local, host, hostPort: remote };
}

/**
 * Listens for a forward. A connection that the guest can't make is closed, and told by `say`.
 * @returns the listening port and what closes it
 * @throws DriverError HK_SSH_FORWARD_FAILED when the port can't be listened on
 */
export async function openLocalForward(
  connection: SshConnection,
  forward: LocalForward,
  say: (text: string) => void,
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>();
  // One side may have said everything while the other still answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    connection.connectFromGuest(forward.host, forward.hostPort).then(
      (channel) => joinStreams(socket, channel),
      (error: Error) => {
        socket.destroy();
        say(error.message);
      },
    );
  });
  await listen(server, forward);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : forward.port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listen(server: Server, { bind, port }: LocalForward): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `cannot listen on ${bind}:${port}: ${cause.message}; choose another port for -L`;
      reject(new DriverError('HK_SSH_FORWARD_FAILED', text, { cause }));
    });
    server.listen({ host: bind, port }, resolve);
  });
}
