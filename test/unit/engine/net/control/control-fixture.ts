import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { ControlServer, type ControlServerOptions } from '../../../../../engine/net/control/control-server';
import { type ControlListener, listenControl } from '../../../../../engine/net/control/listen-control';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { LoopbackForwarder } from './loopback-forwarder';

export interface Reply {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

/** A control server on a unix socket, over a forwarder with real listeners. */
export class ControlFixture {
  readonly folder = temporaryFolder();
  readonly socket = path.join(this.folder, 'control.sock');
  readonly forwarder = new LoopbackForwarder();
  #server: ControlServer | undefined;
  #listener: ControlListener | undefined;

  async start(options: Partial<ControlServerOptions> = {}, peer?: string): Promise<void> {
    const server = new ControlServer({ forwarder: this.forwarder, ...options });
    this.#server = server;
    this.#listener = await listenControl(this.socket, (stream) => server.accept(stream, peer));
  }

  async stop(): Promise<void> {
    this.#server?.close();
    await this.#listener?.close();
    await this.forwarder.closeAll();
  }

  ask(method: string, url: string, body?: unknown): Promise<Reply> {
    return ask(this.socket, method, url, body);
  }

  async connect(): Promise<Socket> {
    const socket = connect({ path: this.socket, allowHalfOpen: true });
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }
}

/** One request; a body that is no string is sent as JSON. */
export function ask(socketPath: string, method: string, url: string, body?: unknown): Promise<Reply> {
  const sent = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(sent) };
    const asked = request({ socketPath, method, path: url, agent: false, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], text }),
      );
    });
    asked.once('error', reject);
    asked.end(sent);
  });
}

export interface Echo {
  readonly port: number;
  close(): Promise<void>;
}

/** Gives each test of the file a fixture and a service of the guest, and stops both afterwards. */
export function startForEachTest(use: (fixture: ControlFixture, guest: Echo) => void): void {
  const opened: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    const fixture = new ControlFixture();
    const guest = await startEcho();
    opened.push(() => fixture.stop(), guest.close);
    use(fixture, guest);
  });
  afterEach(async () => {
    for (const stop of opened.splice(0)) await stop();
  });
}

/** An echo server on 127.0.0.1 that stands for a service of the guest. */
export async function startEcho(): Promise<Echo> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Sends a text, half-closes, and gives everything that comes back. */
export async function echo(
  target: { readonly port: number } | { readonly path: string },
  text: string,
): Promise<string> {
  const socket = connect({ ...target, allowHalfOpen: true });
  socket.end(text);
  return readAll(socket);
}

export async function readAll(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

/** Whether nobody listens on a port of 127.0.0.1 any more. */
export async function isFree(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const [outcome] = await Promise.race([
    once(socket, 'connect').then(() => [false] as const),
    once(socket, 'close').then(() => [true] as const),
  ]).catch(() => [true] as const);
  socket.destroy();
  return outcome;
}
