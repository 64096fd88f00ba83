import type { GobType, GobValue } from '../gob';

/** One remote method. */
export interface RpcMethod {
  readonly argument: GobType;
  readonly reply: GobType;
  /**
   * The argument fits its type. What is thrown reaches the caller as its message.
   * @param caller aborts when its connection is gone: from then on nobody will read the reply.
   */
  handle(argument: GobValue, caller: AbortSignal): GobValue | Promise<GobValue>;
  /** Called when the reply has been handed to the socket. */
  afterReply?(): void;
}

/** Methods by name. */
export type RpcService = Readonly<Record<string, RpcMethod>>;

/** Services by name; one service may appear under several. */
export type RpcServices = Readonly<Record<string, RpcService>>;

export type Lookup =
  | { readonly kind: 'found'; readonly method: RpcMethod }
  | { readonly kind: 'missing'; readonly error: string };

/** Resolves `Service.Method`, or says in Go's words what is wrong with it (net/rpc, readRequestHeader). */
export function findMethod(services: RpcServices, serviceMethod: string): Lookup {
  const dot = serviceMethod.lastIndexOf('.');
  if (dot < 0) return missing(`rpc: service/method request ill-formed: ${serviceMethod}`);
  const service = own(services, serviceMethod.slice(0, dot));
  if (service === undefined) return missing(`rpc: can't find service ${serviceMethod}`);
  const method = own(service, serviceMethod.slice(dot + 1));
  if (method === undefined) return missing(`rpc: can't find method ${serviceMethod}`);
  return { kind: 'found', method };
}

const missing = (error: string): Lookup => ({ kind: 'missing', error });

// Names come from the peer: `constructor` is no method.
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** The text of whatever was thrown. Never empty: an answer with an empty error is a success. */
export function errorText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown) || 'unknown error';
  return thrown.message || thrown.name || 'unknown error';
}
