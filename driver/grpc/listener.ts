import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import { LIMITS } from '../../engine/grpc/limits';
import { listenControl } from '../../engine/net/control/listen-control';
import { DriverError } from '../errors';
import type { ListenAddress, TlsFiles } from './serve-options';

/** Somewhere clients connect to. */
export interface Listener {
  /** As `--listen` takes it, with the real port. */
  readonly address: string;
  /** Stops listening, and closes what connections there are. */
  close(): Promise<void>;
}

const HANDSHAKE_MS = 10_000;
/** `h2`, which is what gRPC speaks (RFC 9113 section 3.2). */
const PROTOCOL = 'h2';

/**
 * Listens for clients that may drive this user's machines: on a unix socket those that can reach it, over TCP those with
 * a certificate of the authority.
 * @throws DriverError HK_SERVE_REFUSED; EngineError HK_NET_UNAVAILABLE
 */
export async function openListener(
  listen: ListenAddress,
  accept: (socket: Socket) => void,
  log: (line: string) => void,
): Promise<Listener> {
  if (listen.kind === 'tcp') return await listenTls(listen, accept, log);
  const control = await listenControl(listen.path, accept);
  return { address: `unix://${listen.path}`, close: () => control.close() };
}

async function listenTls(
  { host, port, tls }: Extract<ListenAddress, { kind: 'tcp' }>,
  accept: (socket: Socket) => void,
  log: (line: string) => void,
): Promise<Listener> {
  const server = createTlsServer(tls);
  server.maxConnections = LIMITS.connections;
  server.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === PROTOCOL) accept(socket);
    else socket.destroy();
  });
  server.on('tlsClientError', (error, socket) => {
    log(`refused a client at ${socket.remoteAddress ?? 'an unknown address'}: ${error.message}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `cannot serve: cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new DriverError('HK_SERVE_REFUSED', text, { cause }));
    });
    server.listen({ host, port }, resolve);
  });
  server.on('error', (error) => log(`cannot accept a connection: ${error.message}`));
  const actual = (server.address() as AddressInfo).port;
  return {
    address: `tcp://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close: async () => void server.close(),
  };
}

function createTlsServer(files: TlsFiles): ReturnType<typeof createServer> {
  const options: TlsOptions = {
    ca: readPem('--tls-ca', files.ca),
    cert: readPem('--tls-cert', files.cert),
    key: readPem('--tls-key', files.key),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ALPNProtocols: [PROTOCOL],
    handshakeTimeout: HANDSHAKE_MS,
  };
  try {
    return createServer(options);
  } catch (cause) {
    const text = `cannot serve: the TLS files are of no use together: ${(cause as Error).message}`;
    throw new DriverError('HK_SERVE_REFUSED', text, { cause });
  }
}

function readPem(option: string, file: string): Buffer {
  try {
    const pem = readFileSync(file);
    if (pem.includes('-----BEGIN ')) return pem;
    throw new Error('it is not in PEM');
  } catch (cause) {
    const text = `cannot serve: cannot use ${option} ${file}: ${(cause as Error).message}`;
    throw new DriverError('HK_SERVE_REFUSED', text, { cause });
  }
}
