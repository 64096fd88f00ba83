/**
 * Go's net/rpc over HTTP CONNECT, both halves, on top of this package's gob.
 */
export { type CallOptions, RpcClient, type RpcClientOptions } from './client';
export { RpcError, type RpcErrorCode } from './error';
export { DEFAULT_RPC_LIMITS, type RpcLimits } from './limits';
export { EMPTY, NOTHING } from './messages';
export { RpcServer, type RpcServerOptions } from './server';
export type { RpcMethod, RpcService, RpcServices } from './service';
