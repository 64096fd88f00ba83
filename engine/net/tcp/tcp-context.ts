import type { PinnedBuffer } from '../../../native/pinned-buffer';
import type { Neighbour } from '../gateway/neighbours';
import type { Reactor } from '../reactor/reactor';
import type { IpAddress } from '../wire/ip-address';
import type { ChunkPool } from './chunk-pool';
import type { EarlySegments } from './early-segments';

/** Who is at which end, as the guest sees it. */
export interface TcpEnds {
  readonly guest: IpAddress;
  readonly guestPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
}

/** What the stack needs to know of a connection that asks something of it. */
export interface TcpClient {
  readonly ends: TcpEnds;
  readonly neighbour: Neighbour;
  /** The number that its segments acknowledge. */
  readonly acknowledged: number;
  /** The window field of its next segment; what it promises is remembered. */
  promiseWindow(): number;
  /** Takes up again what it stopped. */
  resume(): void;
  flushAck(): void;
}

/** What a connection needs of the stack around it. */
export interface TcpContext {
  readonly reactor: Reactor;
  readonly pool: ChunkPool;
  /** RFC 6528: hard to guess. */
  initialSequence(): number;
  /** Largest segment that a packet to this guest can carry. */
  mssFor(guest: IpAddress): number;
  sendSyn(
    connection: TcpClient,
    flags: number,
    sequence: number,
    window: number,
    windowScale: number,
    sack: boolean,
  ): void;
  /** A segment without payload; it tells of `early` what is there. */
  sendControl(connection: TcpClient, flags: number, sequence: number, early?: EarlySegments): boolean;
  /** Payload of any length up to an IP packet's, cut into segments of `mss`; false when the link had no room. */
  sendData(
    connection: TcpClient,
    flags: number,
    sequence: number,
    payload: PinnedBuffer,
    start: number,
    length: number,
    mss: number,
  ): boolean;
  /** A reset that answers a SYN nobody took. */
  refuse(ends: TcpEnds, neighbour: Neighbour, acknowledged: number): void;
  /** A reset that answers an acknowledgment of something we never sent. */
  resetUnknown(ends: TcpEnds, neighbour: Neighbour, sequence: number): void;
  ackAtTurnEnd(connection: TcpClient): void;
  /** `resume` is called when the guest's link has room again. */
  waitForLink(connection: TcpClient): void;
  /** `resume` is called when the pool has memory again. */
  waitForMemory(connection: TcpClient): void;
  forget(connection: TcpClient): void;
}
