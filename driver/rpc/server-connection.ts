import type { Socket } from 'node:net';
import {
  conform,
  type DecodedValue,
  GobDecoder,
  GobEncoder,
  type GobRegistry,
  type GobType,
  type GobValue,
} from '../gob';
import { answerHead, splitHead } from './head';
import type { RpcLimits } from './limits';
import { EMPTY, NOTHING, REQUEST, RESPONSE, type Request } from './messages';
import { errorText, findMethod, type RpcMethod, type RpcServices } from './service';

/** How long a peer whose head was refused may take to read the answer. */
const REFUSAL_LINGER_MS = 1_000;

/** What all connections of a server share. */
export interface ServerContext {
  readonly services: RpcServices;
  readonly registry: GobRegistry;
  readonly limits: RpcLimits;
  /** A request has come in, known method or not. */
  onCall(serviceMethod: string): void;
  /** Something went wrong that no caller hears of. */
  onFault(text: string): void;
}

/** One client: HTTP head, then calls, each answered when it is done. Owns the socket, which arrives paused. */
export class ServerConnection {
  readonly #socket: Socket;
  readonly #context: ServerContext;
  readonly #decoder: GobDecoder;
  readonly #encoder: GobEncoder;
  readonly #headDeadline: NodeJS.Timeout;
  readonly #gone = new AbortController();
  /** Bytes of a head that has not ended yet; undefined once the gob stream has begun. */
  #head: Buffer | undefined = Buffer.alloc(0);
  /** The request whose argument comes next. */
  #request: Request | undefined;
  #callsInFlight = 0;
  /** Goes out in front of the first answer: a client may still be reading the HTTP reply before that. */
  #definitions: Buffer | undefined;

  constructor(socket: Socket, context: ServerContext) {
    this.#socket = socket;
    this.#context = context;
    this.#decoder = new GobDecoder({ registry: context.registry, limits: context.limits.gob });
    this.#encoder = new GobEncoder({ registry: context.registry });
    // With these defined, an answer can be replaced by an error answer without a trace in the encoder.
    this.#definitions = this.#encoder.define(RESPONSE, EMPTY);
    this.#headDeadline = setTimeout(() => socket.destroy(), context.limits.headMs);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(this.#headDeadline);
      this.#gone.abort();
    });
  }

  /** Begins to read. */
  start(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => (this.#head === undefined ? this.#receive(chunk) : this.#greet(chunk)));
    this.#socket.on('drain', () => this.#pump());
    this.#socket.resume();
  }

  #greet(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#head ?? Buffer.alloc(0), chunk]);
    const head = splitHead(bytes);
    if (head.kind === 'incomplete') {
      this.#head = bytes;
    } else if (head.kind === 'too-long') {
      this.#socket.destroy();
    } else {
      clearTimeout(this.#headDeadline);
      const { accepted, text } = answerHead(head.startLine);
      if (accepted) {
        this.#head = undefined;
        this.#socket.write(text);
        if (head.rest.length > 0) this.#receive(head.rest);
      } else {
        // Whatever else the peer sends is read and dropped: closing over unread bytes could lose our answer.
        this.#socket.removeAllListeners('data').resume();
        this.#socket.setTimeout(REFUSAL_LINGER_MS, () => this.#socket.destroy());
        this.#socket.end(text);
      }
    }
  }

  #receive(chunk: Buffer): void {
    this.#decoder.push(chunk);
    this.#pump();
  }

  /** Takes up the calls that have arrived, as many as may be in flight. */
  #pump(): void {
    if (this.#head !== undefined || this.#socket.destroyed) return;
    try {
      while (!this.#isSaturated()) {
        const item = this.#decoder.next();
        if (item === undefined) {
          this.#socket.resume();
          return;
        }
        this.#take(item);
      }
      this.#socket.pause();
    } catch (error) {
      // Not a gob stream, or not of requests: there is no way back into step with this peer.
      this.#context.onFault(`closed a connection: ${errorText(error)}`);
      this.#socket.destroy();
    }
  }

  #isSaturated(): boolean {
    const { callsInFlight, unreadReplyBytes } = this.#context.limits;
    return this.#callsInFlight >= callsInFlight || this.#socket.writableLength > unreadReplyBytes;
  }

  #take(item: DecodedValue): void {
    if (this.#request === undefined) {
      this.#request = conform(item.value, item.type, REQUEST, this.#context.registry) as unknown as Request;
      return;
    }
    const request = this.#request;
    this.#request = undefined;
    this.#context.onCall(request.ServiceMethod);
    const lookup = findMethod(this.#context.services, request.ServiceMethod);
    if (lookup.kind === 'missing') {
      this.#answerError(request, lookup.error);
      return;
    }
    let argument: GobValue;
    try {
      argument = conform(item.value, item.type, lookup.method.argument, this.#context.registry);
    } catch (error) {
      this.#answerError(request, errorText(error));
      return;
    }
    void this.#perform(request, lookup.method, argument);
  }

  async #perform(request: Request, method: RpcMethod, argument: GobValue): Promise<void> {
    this.#callsInFlight += 1;
    try {
      this.#answer(request, await method.handle(argument, this.#gone.signal), method.reply);
    } catch (error) {
      this.#answerError(request, errorText(error));
    }
    this.#callsInFlight -= 1;
    method.afterReply?.();
    this.#pump();
  }

  #answerError(request: Request, error: string): void {
    this.#answer(request, NOTHING, EMPTY, error);
  }

  #answer({ ServiceMethod, Seq }: Request, body: GobValue, type: GobType, error = ''): void {
    const response = this.#encoder.encode({ ServiceMethod, Seq, Error: error }, RESPONSE);
    // Throws before anything is written if a method breaks its own promise; then an error takes its place.
    const parts = [response, this.#encoder.encode(body, type)];
    if (!this.#socket.writable) return;
    if (this.#definitions !== undefined) parts.unshift(this.#definitions);
    this.#definitions = undefined;
    this.#socket.write(Buffer.concat(parts));
  }
}
