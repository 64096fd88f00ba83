import { once } from 'node:events';
import { createServer, type Server as HttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { FlowEnds, StreamService } from '../../../../../engine/net/flow';
import { parseHttpProxyConfig } from '../../../../../engine/net/http-proxy/config';
import {
  createHttpProxy,
  type HttpProxy,
  type HttpProxyOptions,
} from '../../../../../engine/net/http-proxy/http-proxy';

export const GATEWAY = '192.168.65.1';

/** What a test opened, closed after it. */
const opened: (() => void)[] = [];
let socketsBefore = 0;

const countSockets = (): number => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;

/** Every test has to leave as many sockets as it found. */
export function watchSockets(): void {
  beforeEach(() => {
    socketsBefore = countSockets();
  });
  afterEach(async () => {
    for (const close of opened.splice(0)) close();
    while (countSockets() > socketsBefore) await new Promise((resolve) => setImmediate(resolve));
  });
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function start<T extends Server>(server: T): Promise<T> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
}

/** A TCP server that does as it is told with each connection. */
export const startTcp = (serve: (socket: Socket) => void): Promise<Server> =>
  start(createTcpServer({ allowHalfOpen: true }, serve));

/** An HTTP server, and the requests that it got. */
export async function startHttp(
  listener: RequestListener,
): Promise<{ readonly server: HttpServer; readonly port: number; readonly requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  await start(server);
  return { server, port: portOf(server), requests };
}

/** Answers every connection's first bytes with fixed text and ends; what it got is in `heads`. */
export async function startFixed(answer: string): Promise<{ readonly port: number; readonly heads: string[] }> {
  const heads: string[] = [];
  const server = await startTcp((socket) => {
    socket.once('data', (chunk: Buffer) => {
      heads.push(chunk.toString('latin1'));
      socket.end(answer, 'latin1');
    });
  });
  return { port: portOf(server), heads };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

export interface Bench {
  readonly proxy: HttpProxy;
  readonly lines: string[];
  /** Sets the configuration in force. */
  configure(json: unknown): void;
  /** A guest's connection to `destination` that `service` has been given. */
  open(service: StreamService, destination: FlowEnds['destination']): Promise<Socket>;
}

/** The proxy behind a loopback socket that stands for the gateway's TCP. */
export async function startProxy(json: unknown, options: Partial<HttpProxyOptions> = {}): Promise<Bench> {
  let config = parseHttpProxyConfig(json);
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const proxy = createHttpProxy({ config: () => config, ownHosts: [GATEWAY], log, ...options });
  let next: { service: StreamService; destination: FlowEnds['destination'] } | undefined;
  const server = await startTcp((socket) => {
    const { service, destination } = next!;
    service(socket, { source: { address: '192.168.65.3', port: socket.remotePort! }, destination });
  });
  opened.push(() => proxy.close());
  return {
    proxy,
    lines,
    configure(changed) {
      config = parseHttpProxyConfig(changed);
    },
    async open(service, destination) {
      next = { service, destination };
      const accepted = once(server, 'connection');
      const socket = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined);
      opened.push(() => socket.destroy());
      await Promise.all([accepted, once(socket, 'connect')]);
      return socket;
    },
  };
}

/** All that comes until the other side ends. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  return Buffer.concat(chunks).toString('latin1');
}

/** Reads until the text so far matches; fails when the stream ends before. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const look = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!pattern.test(text)) return;
      socket.off('data', look).off('close', fail).off('end', fail);
      socket.pause();
      resolve(text);
    };
    const fail = (): void => reject(new Error(`ended with ${JSON.stringify(text)}`));
    socket.on('data', look).once('close', fail).once('end', fail).resume();
  });
}

/** Sends a request as written and reads the answer until the connection ends. */
export async function ask(socket: Socket, request: string): Promise<string> {
  socket.write(request, 'latin1');
  return await readAll(socket);
}

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
export const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
