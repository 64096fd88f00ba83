import type { Socket } from 'node:net';
import type { StreamService } from '../flow';
import { FrameReader, frame } from './frame-reader';
import { MAX_QUERY_BYTES } from './query';
import type { Responder } from './responder';

/** Connections at the same time; a further one takes the place of the oldest that has no question under way. */
const MAX_CONNECTIONS = 128;
/** Questions of one connection at the same time; then it is not read. */
const MAX_QUESTIONS = 64;

export interface StreamConnectionsOptions {
  /** A connection that got no reply for this long, and waits for none, is closed. */
  readonly idleMs: number;
}

/** DNS over TCP (RFC 7766): many questions on a connection, answered at once and in any order. */
export class StreamConnections {
  readonly #responder: Responder;
  readonly #options: StreamConnectionsOptions;
  /** In the order in which they came. */
  readonly #connections = new Set<Connection>();
  #isClosed = false;

  constructor(responder: Responder, options: StreamConnectionsOptions) {
    this.#responder = responder;
    this.#options = options;
  }

  readonly service: StreamService = (stream, { source }) => {
    stream.on('error', () => stream.destroy());
    if (this.#isClosed || !this.#makeRoom()) {
      stream.destroy();
      return;
    }
    const connection = new Connection(stream, source.address, this.#responder, this.#options.idleMs);
    this.#connections.add(connection);
    stream.on('close', () => {
      connection.close();
      this.#connections.delete(connection);
    });
  };

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  }

  #makeRoom(): boolean {
    if (this.#connections.size < MAX_CONNECTIONS) return true;
    for (const connection of this.#connections) {
      if (connection.isBusy) continue;
      connection.close();
      return this.#connections.delete(connection);
    }
    return false;
  }
}

class Connection {
  readonly #stream: Socket;
  readonly #responder: Responder;
  // One byte more than a query may have, so that a longer one is seen to be one.
  readonly #reader = new FrameReader(MAX_QUERY_BYTES + 1);
  readonly #idle: NodeJS.Timeout;
  #questions = 0;
  #hasEnded = false;

  constructor(
    stream: Socket,
    private readonly asker: string,
    responder: Responder,
    idleMs: number,
  ) {
    this.#stream = stream;
    this.#responder = responder;
    this.#idle = setTimeout(() => this.#onIdle(), idleMs).unref();
    stream.on('data', (chunk) => {
      this.#reader.push(chunk);
      this.#readOn();
    });
    stream.on('drain', () => this.#readOn());
    stream.on('end', () => {
      this.#hasEnded = true;
      this.#endIfDone();
    });
  }

  get isBusy(): boolean {
    return this.#questions > 0;
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#stream.destroy();
  }

  #readOn(): void {
    while (!this.#isFull()) {
      const message = this.#reader.next();
      if (!message) {
        this.#stream.resume();
        return;
      }
      this.#questions++;
      this.#responder.respond(message, 'tcp', this.asker, (reply) => this.#reply(reply));
    }
    this.#stream.pause();
  }

  #reply(reply: Buffer | undefined): void {
    this.#questions--;
    if (this.#stream.destroyed) return;
    if (reply) {
      this.#stream.write(frame(reply));
      this.#idle.refresh();
    }
    if (this.#questions === MAX_QUESTIONS - 1) setImmediate(() => this.#readOn());
    this.#endIfDone();
  }

  #isFull(): boolean {
    return this.#stream.destroyed || this.#questions >= MAX_QUESTIONS || this.#stream.writableNeedDrain;
  }

  #endIfDone(): void {
    if (this.#hasEnded && this.#questions === 0) this.#stream.end();
  }

  #onIdle(): void {
    if (this.isBusy) this.#idle.refresh();
    else this.close();
  }
}
