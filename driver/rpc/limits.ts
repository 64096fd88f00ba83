import { DEFAULT_LIMITS, type GobLimits } from '../gob';

/** What a server puts up with. */
export interface RpcLimits {
  /** Connections at a time, those that have not been admitted yet included; more are closed at once. */
  readonly connections: number;
  /** Time from the connection to the end of its HTTP head. */
  readonly headMs: number;
  /** Calls of one connection that are under way; more are not read before one has been answered. */
  readonly callsInFlight: number;
  /** Answers of one connection that wait for the peer to read; beyond, no more calls are read. */
  readonly unreadReplyBytes: number;
  readonly gob: GobLimits;
}

/**
 * Defaults. A client has one connection and rarely more than three calls in flight; the largest message is a machine's
 * configuration, some hundred KiB in the worst case seen.
 */
export const DEFAULT_RPC_LIMITS: RpcLimits = {
  connections: 128,
  headMs: 10_000,
  callsInFlight: 256,
  unreadReplyBytes: 1024 * 1024,
  gob: {
    ...DEFAULT_LIMITS,
    messageBytes: 8 * 1024 * 1024,
    valueBytes: 8 * 1024 * 1024,
    values: 262_144,
    depth: 64,
    types: 256,
    fields: 256,
    definitionBytes: 262_144,
  },
};
