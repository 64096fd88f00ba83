import type { Socket } from 'node:net';
import { GobRegistry } from '../gob';
import { DEFAULT_RPC_LIMITS, type RpcLimits } from './limits';
import { ServerConnection, type ServerContext } from './server-connection';
import { errorText, type RpcServices } from './service';

/** What a server serves, to whom, and within which limits. */
export interface RpcServerOptions {
  readonly services: RpcServices;
  /** Names of the types inside interface values; without it only Go's predefined ones. */
  readonly registry?: GobRegistry;
  readonly limits?: Partial<RpcLimits>;
  /** Whether to serve this peer at all; nothing of it is read before. Absent: everybody. */
  admit?(socket: Socket): Promise<boolean>;
  /** Told of every request as it comes in, unknown methods included. */
  onCall?(serviceMethod: string): void;
  /** Told, for debugging, about connections that were refused or dropped. */
  onFault?(text: string): void;
}

/**
 * Serves Go's net/rpc over HTTP CONNECT (rpc.HandleHTTP with http.Serve) on sockets that somebody else accepted.
 *
 * @example
 * const rpc = new RpcServer({ services: { Arith: { Double: { argument: gob.int, reply: gob.int, handle: twice } } } });
 * createServer({ pauseOnConnect: true }, (socket) => rpc.accept(socket)).listen(0, '127.0.0.1');
 */
export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #context: ServerContext;
  readonly #sockets = new Set<Socket>();

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#context = {
      services: options.services,
      registry: options.registry ?? new GobRegistry(),
      limits: { ...DEFAULT_RPC_LIMITS, ...options.limits },
      onCall: (serviceMethod) => options.onCall?.(serviceMethod),
      onFault: (text) => options.onFault?.(text),
    };
  }

  /** Takes over a new connection. It should be paused, or bytes that came with it are lost. */
  accept(socket: Socket): void {
    if (this.#sockets.size >= this.#context.limits.connections) {
      socket.on('error', () => {});
      socket.destroy();
      this.#context.onFault(`refused a connection: there are ${this.#sockets.size} already`);
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Asked first: while the answer is on its way there is time to make the rest.
    const admission = this.#admitted(socket);
    const connection = new ServerConnection(socket, this.#context);
    void admission.then((admitted) => {
      if (admitted) connection.start();
      else socket.destroy();
    });
  }

  /** Ends all connections once their answers are out, and cuts those whose peers do not close within `lingerMs`. */
  async close(lingerMs = 500): Promise<void> {
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, lingerMs);
    await Promise.all([...this.#sockets].map(endSocket));
    clearTimeout(cut);
  }

  async #admitted(socket: Socket): Promise<boolean> {
    try {
      return (await this.#options.admit?.(socket)) ?? true;
    } catch (error) {
      this.#context.onFault(`refused a connection: ${errorText(error)}`);
      return false;
    }
  }
}

function endSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
    socket.end();
  });
}
