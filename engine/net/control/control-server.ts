import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors';
import type { Forwarder } from '../forwards/forwarder';
import { type Answer, type Routes, text } from './answer';
import { ForwardTable } from './forward-table';
import { type GvproxyNetwork, gvproxyNotFound, gvproxyRoutes } from './gvproxy-api';
import type { ForwardRules } from './open-forward';
import { findHeadEnd, parseTarget, type RequestTarget, readRequestLine } from './request-head';
import { isTakeover, refuse, type Takeovers, takeOver } from './takeover';
import { VPNKIT_PREFIX, vpnkitNotFound, vpnkitRoutes } from './vpnkit-api';

export interface ControlLimits {
  /** Connections at a time, tunnels included. */
  readonly connections: number;
  readonly bodyBytes: number;
  /** For a request's head, and for the silence between two requests. */
  readonly headMs: number;
  /** From a request's head to the end of its answer. */
  readonly requestMs: number;
}

export interface ControlServerOptions extends ForwardRules, GvproxyNetwork, Takeovers {
  readonly forwarder: Forwarder;
  readonly limits?: Partial<ControlLimits>;
}

const LIMITS: ControlLimits = { connections: 128, bodyBytes: 64 * 1024, headMs: 60_000, requestMs: 60_000 };
const MAX_HEAD_BYTES = 16 * 1024;
/** Requests that may wait for their answers on one connection. Only clients that pipeline have more than one. */
const MAX_PIPELINED = 16;

/**
 * The HTTP control interface of a network: VPNKit's and gvproxy's. It listens nowhere itself; whoever accepts
 * connections, on the host or inside of the guests' network, hands them over.
 */
export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #limits: ControlLimits;
  readonly #routes: Routes;
  /** Never listens, so it keeps no timers: it only speaks HTTP on connections that are given to it. */
  readonly #http: Server;
  readonly #connections = new Map<Duplex, Connection>();

  constructor(options: ControlServerOptions) {
    const table = new ForwardTable(options.forwarder, options);
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#routes = new Map([...vpnkitRoutes(table), ...gvproxyRoutes(table, options)]);
    this.#http = createServer({ maxHeaderSize: MAX_HEAD_BYTES, keepAliveTimeout: 0 }, (request, response) => {
      void this.#serve(request, response);
    });
  }

  /**
   * Serves a connection until it ends, and closes it.
   * @param peer The asker's IP address when it is a guest.
   */
  accept(stream: Duplex, peer?: string): void {
    stream.on('error', () => {}); // A connection that breaks closes, which is all there is to know.
    if (this.#connections.size >= this.#limits.connections) {
      refuse(stream, 503, `${this.#limits.connections} connections are open, which is the limit`);
      return;
    }
    const connection = new Connection(stream, peer);
    this.#connections.set(stream, connection);
    stream.once('close', () => {
      connection.stop();
      this.#connections.delete(stream);
    });
    connection.allow(this.#limits.headMs);
    this.#readFirstRequest(connection);
  }

  /** Closes all connections. Forwards stay: they are the forwarder's. */
  close(): void {
    for (const stream of this.#connections.keys()) stream.destroy();
  }

  /** The first request tells whether the connection stays HTTP; Node's server can't give one up without an Upgrade. */
  #readFirstRequest(connection: Connection): void {
    const { stream } = connection;
    let bytes: Buffer = Buffer.alloc(0);
    const look = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const target = readRequestLine(bytes);
      if (target === undefined && bytes.length < MAX_HEAD_BYTES) return;
      const taken = typeof target === 'object' && isTakeover(target.path) ? target : undefined;
      const end = taken && findHeadEnd(bytes);
      if (taken && end === undefined && bytes.length < MAX_HEAD_BYTES) return;
      stream.off('data', look).off('end', leave);
      stream.pause();
      if (!taken) this.#speakHttp(stream, bytes);
      else if (end === undefined) refuse(stream, 400, 'the head of the request is too long');
      else void this.#takeOver(connection, taken, bytes.subarray(end));
    };
    const leave = (): void => {
      stream.destroy();
    };
    stream.on('data', look).on('end', leave);
  }

  #speakHttp(stream: Duplex, bytes: Buffer): void {
    stream.unshift(bytes);
    this.#http.emit('connection', stream);
    stream.resume();
  }

  async #takeOver(connection: Connection, target: RequestTarget, rest: Buffer): Promise<void> {
    const { stream } = connection;
    connection.allow(this.#limits.requestMs);
    if (rest.length > 0) stream.unshift(rest);
    try {
      await takeOver(stream, target, this.#options);
      connection.stop();
    } catch {
      stream.destroy(); // What took the connection over failed with it.
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.get(request.socket);
    if (!connection || connection.waiting >= MAX_PIPELINED) {
      request.socket.destroy();
      return;
    }
    connection.waiting++;
    connection.allow(this.#limits.requestMs);
    response.once('close', () => {
      if (--connection.waiting === 0) connection.allow(this.#limits.headMs);
    });
    const body = await readBody(request, this.#limits.bodyBytes);
    if (body === 'broken') return;
    const answer =
      body === 'too long'
        ? text(413, `the body is longer than ${this.#limits.bodyBytes} bytes`)
        : await this.#answer(parseTarget(request.method ?? '', request.url ?? ''), body.text, connection.peer);
    if (response.destroyed) return;
    if (body === 'too long') response.setHeader('Connection', 'close');
    const length = Buffer.byteLength(answer.text);
    response.setHeader('Content-Length', length);
    if (length > 0) response.setHeader('Content-Type', answer.type);
    response.writeHead(answer.status);
    response.end(answer.text);
  }

  async #answer(target: RequestTarget, body: string, peer: string | undefined): Promise<Answer> {
    const { path } = target;
    if (isTakeover(path)) return text(400, `${path} must be the first request of its connection`);
    const handler = this.#routes.get(path);
    if (!handler) return path.startsWith(VPNKIT_PREFIX) ? vpnkitNotFound() : gvproxyNotFound();
    try {
      return await handler({ ...target, body, peer });
    } catch (error) {
      return text(500, error instanceof EngineError ? error.message : 'the request failed for an unexpected reason');
    }
  }
}

/** A connection and the time it has. */
class Connection {
  waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly stream: Duplex,
    readonly peer: string | undefined,
  ) {}

  /** From now on; what was allowed before no longer counts. */
  allow(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.stream.destroyed) this.#timer = setTimeout(() => this.stream.destroy(), milliseconds);
    this.#timer?.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** The whole body. One that is too long is not read further. */
function readBody(request: IncomingMessage, limit: number): Promise<{ readonly text: string } | 'too long' | 'broken'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) chunks.push(chunk);
      else {
        chunks.length = 0;
        resolve('too long');
      }
    });
    request.once('end', () => resolve({ text: Buffer.concat(chunks).toString('utf8') }));
    request.once('error', () => resolve('broken'));
    request.once('close', () => resolve('broken'));
  });
}
