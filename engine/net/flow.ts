import type { Socket } from 'node:net';

/** One end of a flow. IPv4 in dotted decimal, IPv6 as RFC 5952 writes it. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Both ends of a flow, as the guest sees them. */
export interface FlowEnds {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** A TCP service inside of the gateway: given a connected stream (allowHalfOpen) for each flow that a guest opens to it. */
export type StreamService = (stream: Socket, flow: FlowEnds) => void;

/**
 * A UDP service inside of the gateway. The payload is only valid during the call; `reply` may be called later, any
 * number of times, and comes from the flow's destination.
 */
export type DatagramService = (payload: Uint8Array, flow: FlowEnds, reply: (payload: Uint8Array) => void) => void;
