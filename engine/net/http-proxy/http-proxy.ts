import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { FlowEnds, StreamService } from '../flow';
import type { HttpProxyConfig } from './config';
import { type Dial, dialHost, dialWithin } from './dial';
import type { ProxyCore } from './guest';
import { createHttpFlows } from './http-flow';
import { carryTlsFlow } from './tls-flow';

/** VPNKit's ports of the gateway for guests that know of the proxy. */
export const HTTP_PROXY_PORT = 3128;
export const HTTPS_PROXY_PORT = 3129;

const CONNECT_MS = 30_000;
/** For a request's head, and between requests. */
const HEAD_MS = 60_000;
const MAX_CONNECTIONS = 2048;
/** Between lines of the log. */
const COMPLAINT_MS = 10_000;

export interface HttpProxyOptions {
  /** The configuration in force, asked for every request. */
  readonly config: () => HttpProxyConfig;
  /** Opens connections to origins and upstream proxies; `dialHost` unless given. */
  readonly dial?: Dial;
  /** Addresses and names of the gateway, so that requests to its own proxy ports are refused. */
  readonly ownHosts?: readonly string[];
  /** Time to open a connection (30 s). */
  readonly connectMs?: number;
  /** Time for a request's head, and for an idle connection between requests (60 s). */
  readonly headMs?: number;
  /** Guests' connections at once (2048); further ones are closed. */
  readonly maxConnections?: number;
  /** Gets a line when the upstream proxy fails TLS flows, which can't be answered with one; at most one in 10 s. */
  readonly log: (line: string) => void;
}

/** VPNKit's HTTP and HTTPS interception. The services belong into the gateway. */
export interface HttpProxy {
  /** For flows that guests open to HTTP servers, unaware of the proxy. */
  readonly transparentHttp: StreamService;
  /** The same for TLS. */
  readonly transparentHttps: StreamService;
  /** For the gateway's ports 3128 and 3129: requests with absolute addresses, and CONNECT. */
  readonly explicitProxy: StreamService;
  /** The service for a flow that a guest opens to another host, or `undefined` when it goes straight. */
  intercept(flow: FlowEnds): StreamService | undefined;
  /** Guests' connections that are open now. */
  readonly connections: number;
  /** Closes every connection. */
  close(): void;
}

/** Nothing of it listens: the gateway hands over the flows. Without flows it holds no timer, socket or descriptor. */
export function createHttpProxy(options: HttpProxyOptions): HttpProxy {
  const { config, dial = dialHost, connectMs = CONNECT_MS } = options;
  const own = new Set(options.ownHosts?.map((host) => host.toLowerCase()));
  const core: ProxyCore = {
    config,
    connect: (to, signal) => dialWithin(dial, to, connectMs, signal),
    isOwn: ({ host, port }) => own.has(host) && (port === HTTP_PROXY_PORT || port === HTTPS_PROXY_PORT),
    httpsProxyPort: HTTPS_PROXY_PORT,
  };
  const connections = new Connections(options.maxConnections ?? MAX_CONNECTIONS);
  const carryHttpFlow = createHttpFlows(core, options.headMs ?? HEAD_MS);
  const complain = createComplaints(options.log);
  const httpService =
    (isTransparent: boolean): StreamService =>
    (stream, flow) => {
      const gone = connections.admit(stream);
      if (gone !== undefined) carryHttpFlow(stream, flow, isTransparent, gone);
    };
  const transparentHttp = httpService(true);
  const transparentHttps: StreamService = (stream, flow) => {
    const gone = connections.admit(stream);
    if (gone === undefined) return;
    void carryTlsFlow(core, stream, flow, gone, complain);
  };
  return {
    transparentHttp,
    transparentHttps,
    explicitProxy: httpService(false),
    intercept({ destination }) {
      const { http, https, allow, exclude, transparentHttpPorts, transparentHttpsPorts } = config();
      if (allow === undefined && exclude.matches(destination.address)) return undefined;
      const isWanted = (upstream: unknown): boolean => upstream !== undefined || allow !== undefined;
      if (isWanted(http) && transparentHttpPorts.has(destination.port)) return transparentHttp;
      if (isWanted(https) && transparentHttpsPorts.has(destination.port)) return transparentHttps;
      return undefined;
    },
    get connections() {
      return connections.size;
    },
    close: () => connections.close(),
  };
}

/** Lines that guests can cause: none twice in a row, and not many. */
function createComplaints(log: (line: string) => void): (line: string) => void {
  let last = '';
  let quietUntilMs = 0;
  return (line) => {
    if (line === last || performance.now() < quietUntilMs) return;
    last = line;
    quietUntilMs = performance.now() + COMPLAINT_MS;
    log(`a guest's TLS connection was closed: ${line}`);
  };
}

/** The guests' connections: how many there may be, and who closes them. */
class Connections {
  readonly #open = new Set<Socket>();

  constructor(private readonly limit: number) {}

  get size(): number {
    return this.#open.size;
  }

  /** The signal that aborts when the connection closes; undefined when there was no room for it. */
  admit(stream: Socket): AbortSignal | undefined {
    // For the times when the stream is between two owners; what follows from an error follows from its closing.
    stream.on('error', () => undefined);
    stream.setNoDelay(true);
    if (this.#open.size >= this.limit || stream.destroyed) {
      stream.destroy();
      return undefined;
    }
    const gone = new AbortController();
    this.#open.add(stream);
    stream.once('close', () => {
      this.#open.delete(stream);
      gone.abort(new Error('the guest left'));
    });
    return gone.signal;
  }

  close(): void {
    for (const stream of this.#open) stream.destroy();
  }
}
