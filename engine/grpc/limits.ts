import type { ChannelOptions } from '@grpc/grpc-js';

/** What a peer may ask of a server. Each is far above what a client of ours needs. */
export const LIMITS = {
  /** Connections at once; the next one is closed before a byte of it is read. */
  connections: 64,
  /** Calls at once of one connection. */
  streams: 32,
  /** Bytes of one message, after decompression. */
  messageBytes: 1024 * 1024,
  /** Bytes of a call's metadata, counted as RFC 9113 section 6.5.2 does. */
  metadataBytes: 16 * 1024,
  /** Pings in a row to which we have nothing to say but the answer. */
  idlePings: 32,
  /** A ping is forgotten after this time: gRPC's clients send one every 10 s at most. */
  pingForgottenMs: 10_000,
  /** A connection without a call is closed after this time. */
  idleMs: 5 * 60_000,
  /** A peer that says nothing is asked whether it lives… */
  keepaliveMs: 60_000,
  /** …and has this long to answer. */
  keepaliveTimeoutMs: 20_000,
} as const;

/** The ones that grpc-js enforces by itself. */
export const SERVER_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': LIMITS.messageBytes,
  'grpc.max_send_message_length': 4 * LIMITS.messageBytes,
  'grpc.max_concurrent_streams': LIMITS.streams,
  'grpc.max_connection_idle_ms': LIMITS.idleMs,
  'grpc.keepalive_time_ms': LIMITS.keepaliveMs,
  'grpc.keepalive_timeout_ms': LIMITS.keepaliveTimeoutMs,
  // Statistics of grpc-js about itself: nobody reads them, and they grow.
  'grpc.enable_channelz': 0,
};
