import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import {
  Client as Channel,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
  status as Status,
} from '@grpc/grpc-js';
import { LIMITS } from './limits';
import { type AnyMessage, defineMethod } from './method-definition';
import { readErrorInfo } from './service-error';

export interface CallOptions {
  /** The call fails with DEADLINE_EXCEEDED after this time; never, if not given. */
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** A generated service as its clients see it. Everything rejects with {@link GrpcError}. */
export type ServiceClient<S extends DescService> = { readonly [K in keyof S['method']]: ClientMethod<S['method'][K]> };

/** One call: of one request and one answer, of a stream of answers, or of streams both ways. */
export type ClientMethod<M> = M extends {
  readonly methodKind: infer Kind;
  readonly input: infer I extends DescMessage;
  readonly output: infer O extends DescMessage;
}
  ? Kind extends 'unary'
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : Kind extends 'server_streaming'
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
  : never;

/** Why a call failed. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';

  constructor(
    /** The server's stable code (docs/errors.md), or the name of gRPC's status when it gave none. */
    readonly code: string,
    message: string,
    /** gRPC's status. */
    readonly status: Status,
    /** What to do about it; empty when the server doesn't say. */
    readonly mend: string,
    options: { readonly cause: unknown },
  ) {
    super(message, options);
  }
}

/** Where a server is. `unix:PATH` or `HOST:PORT`. */
export function openChannel(address: string, credentials: ChannelCredentials, options: ChannelOptions = {}): Channel {
  return new Channel(address, credentials, {
    'grpc.max_receive_message_length': 4 * LIMITS.messageBytes,
    // What is said to a machine is not said again by itself.
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    ...options,
  });
}

/** A typed client of one service. */
export function createClient<S extends DescService>(service: S, channel: Channel): ServiceClient<S> {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, clientMethod(method, channel)]),
  ) as ServiceClient<S>;
}

function clientMethod(method: DescMethod, channel: Channel): unknown {
  switch (method.methodKind) {
    case 'unary':
      return (request: AnyMessage, options?: CallOptions) => callUnary(method, channel, request, options);
    case 'server_streaming':
      return (request: AnyMessage, options?: CallOptions) => callServerStreaming(method, channel, request, options);
    default:
      return (requests: AsyncIterable<AnyMessage>, options?: CallOptions) =>
        callBidiStreaming(method, channel, requests, options);
  }
}

function callUnary(method: DescMethod, channel: Channel, request: AnyMessage, options: CallOptions = {}) {
  const { path, requestSerialize, responseDeserialize } = defineMethod(method);
  return new Promise<AnyMessage>((resolve, reject) => {
    const call = channel.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      deadlineOf(options),
      (error: ServiceError | null, answer?: AnyMessage) => {
        stopWatching();
        if (error !== null) reject(toGrpcError(error));
        else resolve(answer as AnyMessage);
      },
    );
    const stopWatching = cancelOn(options.signal, call);
  });
}

async function* callServerStreaming(
  method: DescMethod,
  channel: Channel,
  request: AnyMessage,
  options: CallOptions = {},
): AsyncIterable<AnyMessage> {
  const { path, requestSerialize, responseDeserialize } = defineMethod(method);
  const call = channel.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    deadlineOf(options),
  );
  yield* receive(call, options);
}

async function* callBidiStreaming(
  method: DescMethod,
  channel: Channel,
  requests: AsyncIterable<AnyMessage>,
  options: CallOptions = {},
): AsyncIterable<AnyMessage> {
  const { path, requestSerialize, responseDeserialize } = defineMethod(method);
  const call = channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, deadlineOf(options));
  void sendAll(call, requests);
  yield* receive(call, options);
}

/** Whoever stops listening cancels the call. */
async function* receive(
  call: ClientReadableStream<AnyMessage> | ClientDuplexStream<AnyMessage, AnyMessage>,
  { signal }: CallOptions,
): AsyncIterable<AnyMessage> {
  const stopWatching = cancelOn(signal, call);
  // Of a call that nobody listens to any more.
  call.on('error', () => undefined);
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message as AnyMessage;
  } catch (error) {
    throw toGrpcError(error as ServiceError);
  } finally {
    stopWatching();
    call.cancel();
  }
}

/** A failure of the call is told to whoever receives. */
async function sendAll(
  call: ClientDuplexStream<AnyMessage, AnyMessage>,
  requests: AsyncIterable<AnyMessage>,
): Promise<void> {
  try {
    for await (const request of requests) {
      if (call.destroyed) return;
      if (!call.write(request)) await new Promise((resolve) => call.once('drain', resolve).once('close', resolve));
    }
    call.end();
  } catch (error) {
    call.destroy(error as Error);
  }
}

function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  const cancel = (): void => call.cancel();
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

function deadlineOf({ timeoutMs }: CallOptions): { deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function toGrpcError(error: ServiceError): GrpcError {
  const info = readErrorInfo(error);
  const code = info?.reason ?? Status[error.code] ?? 'UNKNOWN';
  return new GrpcError(code, error.details ?? error.message, error.code, info?.mend ?? '', { cause: error });
}
