import { connect, type Socket } from 'node:net';
import { conform, type DecodedValue, GobDecoder, GobEncoder, GobRegistry, type GobType, type GobValue } from '../gob';
import { RpcError } from './error';
import { CONNECTED_STATUS, RPC_PATH, splitHead } from './head';
import { DEFAULT_RPC_LIMITS } from './limits';
import { EMPTY, REQUEST, RESPONSE, type Response } from './messages';

export interface RpcClientOptions {
  /** Names of the types inside interface values; without it only Go's predefined ones. */
  readonly registry?: GobRegistry;
  /** Time to the server's HTTP answer. */
  readonly connectTimeoutMs?: number;
}

export interface CallOptions {
  /** Fail the call with `RPC_DEADLINE` after this time. Absent: wait as long as the connection lives, as Go does. */
  readonly deadlineMs?: number;
}

interface PendingCall {
  readonly replyType: GobType;
  resolve(reply: GobValue): void;
  reject(error: RpcError): void;
}

/** The client of Go's net/rpc over HTTP CONNECT (rpc.DialHTTP): any number of calls at a time over one connection. */
export class RpcClient {
  readonly #socket: Socket;
  readonly #registry: GobRegistry;
  readonly #encoder: GobEncoder;
  readonly #decoder: GobDecoder;
  readonly #pending = new Map<number, PendingCall>();
  #definitions: Buffer | undefined;
  #nextSeq = 0;
  /** The answer whose body comes next. */
  #response: Response | undefined;
  #closing = false;

  /** Settles when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket, rest: Buffer, registry: GobRegistry) {
    this.#socket = socket;
    this.#registry = registry;
    this.#encoder = new GobEncoder({ registry });
    this.#decoder = new GobDecoder({ registry, limits: DEFAULT_RPC_LIMITS.gob });
    // A call whose argument cannot be encoded then leaves no trace in the encoder.
    this.#definitions = this.#encoder.define(REQUEST, EMPTY);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.once('close', () => this.#failPending());
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#receive(rest);
  }

  /**
   * Connects to `HOST:PORT`.
   *
   * @throws RpcError `RPC_REFUSED`
   */
  static async connect(address: string, options: RpcClientOptions = {}): Promise<RpcClient> {
    const colon = address.lastIndexOf(':');
    const [host, port] = [address.slice(0, Math.max(colon, 0)), Number(address.slice(colon + 1))];
    if (!host || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new RpcError('RPC_REFUSED', `cannot connect to ${JSON.stringify(address)}: not HOST:PORT`);
    }
    const socket = connect({ host, port, noDelay: true });
    const rest = await greet(socket, address, options.connectTimeoutMs ?? 10_000);
    return new RpcClient(socket, rest, options.registry ?? new GobRegistry());
  }

  /**
   * Calls `Service.Method` and gives its reply as a value of `replyType`. With {@link EMPTY} as `replyType` the reply
   * is not looked at: that is what Go does with a nil reply.
   *
   * @throws RpcError
   * @throws GobError when `argument` is no value of `argumentType`
   */
  call(
    serviceMethod: string,
    argument: GobValue,
    argumentType: GobType,
    replyType: GobType,
    { deadlineMs }: CallOptions = {},
  ): Promise<GobValue> {
    return new Promise((resolve, reject) => {
      if (this.#closing || !this.#socket.writable) throw new RpcError('RPC_SHUTDOWN', 'connection is shut down');
      const seq = this.#nextSeq;
      const request = this.#encoder.encode({ ServiceMethod: serviceMethod, Seq: seq }, REQUEST);
      const parts = [request, this.#encoder.encode(argument, argumentType)];
      if (this.#definitions !== undefined) parts.unshift(this.#definitions);
      this.#definitions = undefined;
      this.#nextSeq += 1;

      const deadline =
        deadlineMs &&
        setTimeout(() => {
          reject(new RpcError('RPC_DEADLINE', `${serviceMethod} did not answer within ${deadlineMs} ms`));
        }, deadlineMs);
      this.#pending.set(seq, {
        replyType,
        resolve: (reply) => {
          clearTimeout(deadline);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(deadline);
          reject(error);
        },
      });
      this.#socket.write(Buffer.concat(parts));
    });
  }

  /** Ends the connection; calls under way fail with `RPC_SHUTDOWN`. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#socket.destroySoon();
    await this.closed;
  }

  #receive(chunk: Buffer): void {
    this.#decoder.push(chunk);
    try {
      for (let item = this.#decoder.next(); item !== undefined; item = this.#decoder.next()) this.#take(item);
    } catch {
      // Out of step with the server; whoever waits learns that the connection is lost.
      this.#socket.destroy();
    }
  }

  #take(item: DecodedValue): void {
    if (this.#response === undefined) {
      this.#response = conform(item.value, item.type, RESPONSE, this.#registry) as unknown as Response;
      return;
    }
    const { Seq, Error: error } = this.#response;
    this.#response = undefined;
    const call = this.#pending.get(Number(Seq));
    this.#pending.delete(Number(Seq));
    if (call === undefined) return;
    if (error !== '') {
      call.reject(new RpcError('RPC_SERVER', error));
      return;
    }
    try {
      call.resolve(call.replyType === EMPTY ? {} : conform(item.value, item.type, call.replyType, this.#registry));
    } catch (cause) {
      call.reject(new RpcError('RPC_BODY', `reading body ${(cause as Error).message}`, { cause }));
    }
  }

  #failPending(): void {
    const error = this.#closing
      ? new RpcError('RPC_SHUTDOWN', 'connection is shut down')
      : new RpcError('RPC_LOST', 'unexpected EOF');
    this.#closing = true;
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
  }
}

/** Speaks the HTTP head; gives what came after the server's. The socket is left without our listeners but `error`. */
function greet(socket: Socket, address: string, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const fail = (reason: string, cause?: unknown) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new RpcError('RPC_REFUSED', `cannot connect to ${address}: ${reason}`, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    const onError = (error: Error) => fail(error.message, error);
    const onEnd = () => fail('unexpected EOF');
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const head = splitHead(received);
      if (head.kind === 'incomplete') return;
      const status = head.kind === 'complete' ? head.startLine.replace(/^HTTP\/\d\.\d +/, '') : 'endless head';
      if (head.kind !== 'complete' || status !== CONNECTED_STATUS) {
        fail(`unexpected HTTP response: ${status.slice(0, 200)}`);
        return;
      }
      clearTimeout(timer);
      socket
        .off('data', onData)
        .off('end', onEnd)
        .off('error', onError)
        .on('error', () => {});
      resolve(head.rest);
    };
    socket.on('error', onError).on('end', onEnd).on('data', onData);
    socket.write(`CONNECT ${RPC_PATH} HTTP/1.0\n\n`);
  });
}
