import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { RpcServer, type RpcServerOptions } from '../../../../driver/rpc';

export const HEAD = Buffer.from('CONNECT /_goRPC_ HTTP/1.0\n\n');
export const CONNECTED = Buffer.from('HTTP/1.0 200 Connected to Go RPC\n\n');

/** Bytes from hexadecimal, blanks and bars allowed as in annotated dumps. */
export const hex = (text: string): Buffer => Buffer.from(text.replace(/[\s|]/g, ''), 'hex');

export interface TestServer {
  readonly rpc: RpcServer;
  readonly address: string;
  readonly port: number;
  /** Opens a connection that remembers what it receives. */
  connect(): Promise<RawClient>;
  stop(): Promise<void>;
}

export async function startServer(options: RpcServerOptions): Promise<TestServer> {
  const rpc = new RpcServer(options);
  const server: Server = createServer({ pauseOnConnect: true }, (socket) => rpc.accept(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients: RawClient[] = [];
  return {
    rpc,
    address: `127.0.0.1:${port}`,
    port,
    connect: async () => {
      const client = await RawClient.open(port);
      clients.push(client);
      return client;
    },
    stop: async () => {
      for (const client of clients) client.socket.destroy();
      server.close();
      await rpc.close(0);
    },
  };
}

/** A client that knows bytes only. */
export class RawClient {
  received = Buffer.alloc(0);
  readonly closed: Promise<void>;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(...parts: readonly (Buffer | string)[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** Waits until as many bytes have come, or the connection is closed; gives everything that came. */
  async receive(bytes: number): Promise<Buffer> {
    while (this.received.length < bytes && !this.socket.destroyed) {
      await Promise.race([once(this.socket, 'data').catch(() => {}), this.closed]);
    }
    return this.received;
  }
}
