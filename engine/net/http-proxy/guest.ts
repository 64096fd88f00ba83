import { Agent, type ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FlowEnds } from '../flow';
import type { HttpProxyConfig } from './config';
import type { Destination } from './dial';
import { chooseRoute, type Route } from './routing';

/** A guest's connection to the proxy and what belongs to it. */
export interface Guest {
  readonly stream: Socket;
  readonly flow: FlowEnds;
  /** The guest doesn't know of us: it meant to reach the flow's destination. */
  readonly isTransparent: boolean;
  /** Connections to next hops, kept for the guest's following requests; some proxies authenticate a connection. */
  readonly agent: GuestAgent;
  /** Aborts when the guest's connection closes. */
  readonly gone: AbortSignal;
}

/** What the parts of the proxy share. */
export interface ProxyCore {
  readonly config: () => HttpProxyConfig;
  /** @throws ConnectFailure */
  readonly connect: (to: Destination, signal: AbortSignal) => Promise<Socket>;
  readonly isOwn: (to: Destination) => boolean;
  /** The gateway's port for the proxy that sends everything to `https`'s upstream. */
  readonly httpsProxyPort: number;
}

/** Opens next hops' connections with the proxy's dialler and keeps them for later requests. */
export class GuestAgent extends Agent {
  readonly #connect: (to: Destination) => Promise<Socket>;

  constructor(connect: (to: Destination) => Promise<Socket>) {
    super({ keepAlive: true });
    this.#connect = connect;
  }

  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const to = { host: options.host ?? '', port: Number(options.port) };
    this.#connect(to).then(
      (socket) => {
        // node:http leaves a half-open connection in its pool for ever.
        socket.allowHalfOpen = false;
        callback?.(null, socket);
      },
      // node:http takes no stream with an error, whatever its types say.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
  }

  /** Closes idle connections to other next hops than this, so that a guest who visits many hosts keeps few. */
  keepOnly(to: Destination): void {
    const wanted = this.getName(to);
    for (const [name, sockets] of Object.entries(this.freeSockets)) {
      if (name !== wanted) for (const socket of sockets ?? []) socket.destroy();
    }
  }
}

/**
 * Where this guest's request for `target` goes. Port 3129 is VPNKit's way to the upstream for HTTPS.
 * @param straightTo where it goes when it needs no proxy; to the target unless given.
 */
export function routeFor(core: ProxyCore, guest: Guest, target: Destination, straightTo?: Destination): Route {
  const config = core.config();
  const isHttps = !guest.isTransparent && guest.flow.destination.port === core.httpsProxyPort;
  return chooseRoute(target, { config, upstream: isHttps ? config.https : config.http, straightTo, isOwn: core.isOwn });
}

/** Where the guest meant to go, if it doesn't know of us. */
export function destinationOf({ isTransparent, flow }: Guest): Destination | undefined {
  return isTransparent ? { host: flow.destination.address, port: flow.destination.port } : undefined;
}
