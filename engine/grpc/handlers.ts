import type { DescMessage, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';

/** Where a streaming method sends its messages. */
export interface Outlet<O extends DescMessage> {
  /** False: the client is behind, wait for {@link drained} before sending more than a little. */
  send(message: MessageInitShape<O>): boolean;
  /** Resolves when the client has caught up, or is gone. */
  drained(): Promise<void>;
}

/**
 * What a service does. `signal` aborts when nobody waits for the outcome any more: the client cancelled or is gone, the
 * deadline passed, or the server ends. What a handler rejects with becomes the call's status.
 */
export type Handlers<S extends DescService> = { readonly [K in keyof S['method']]: Handler<S['method'][K]> };

type Handler<M> = M extends {
  readonly methodKind: infer Kind;
  readonly input: infer I extends DescMessage;
  readonly output: infer O extends DescMessage;
}
  ? Kind extends 'unary'
    ? (request: MessageShape<I>, signal: AbortSignal) => Promise<MessageInitShape<O>>
    : Kind extends 'server_streaming'
      ? (request: MessageShape<I>, outlet: Outlet<O>, signal: AbortSignal) => Promise<void>
      : (requests: AsyncIterable<MessageShape<I>>, outlet: Outlet<O>, signal: AbortSignal) => Promise<void>
  : never;

/** A service and what it does; see {@link describeService}. */
export interface DescribedService {
  readonly descriptor: DescService;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Ties a generated service to its handlers, type for type. */
export function describeService<S extends DescService>(descriptor: S, handlers: Handlers<S>): DescribedService {
  return { descriptor, handlers };
}
