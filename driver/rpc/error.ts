/**
 * - `RPC_SERVER`: the method answered with an error; the message is the method's own.
 * - `RPC_SHUTDOWN`: the connection was closed before the call, or by us during it.
 * - `RPC_LOST`: the server went away during the call.
 * - `RPC_REFUSED`: nobody listens there, or not a Go RPC server.
 * - `RPC_DEADLINE`: no answer in time; the connection stays usable.
 * - `RPC_BODY`: the answer is of another type than asked for; the connection stays usable.
 */
export type RpcErrorCode = 'RPC_SERVER' | 'RPC_SHUTDOWN' | 'RPC_LOST' | 'RPC_REFUSED' | 'RPC_DEADLINE' | 'RPC_BODY';

/** What an {@link RpcClient} fails with. Texts are those of Go's client where it has one: programs compare them. */
export class RpcError extends Error {
  override readonly name = 'RpcError';

  constructor(
    readonly code: RpcErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}
