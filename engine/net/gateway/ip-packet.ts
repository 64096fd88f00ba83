import type { PinnedBuffer } from '../../../native/pinned-buffer';
import type { IpAddress } from '../wire/ip-address';
import type { Neighbour } from './neighbours';

/** An IP packet of a guest, only valid while it is handled. */
export interface IpPacket {
  readonly neighbour: Neighbour;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly buffer: PinnedBuffer;
  /** Where the IP header begins. */
  readonly headerStart: number;
  /** What the transport has: bytes [start, end). */
  readonly start: number;
  readonly end: number;
  /** Checksums need no check: this host's kernel sent it. */
  readonly verified: boolean;
  /** IPv4's DF bit. */
  readonly dontFragment: boolean;
}
