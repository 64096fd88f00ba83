import type { Virtqueue } from '../virtqueue';

/** The queues of a NIC whose driver is ready. */
export interface NicQueues {
  /** Buffers for frames to the guest. */
  readonly receive: Virtqueue;
  /** Frames of the guest. */
  readonly transmit: Virtqueue;
  /** What both sides know. */
  readonly features: bigint;
}

/**
 * What a NIC is connected to. It lives as long as the machine does: through resets of the guest, and while the other
 * end is away.
 */
export interface NicBackend {
  /** For people: `gateway`, `tap tap0`, `vpnkit /path`. */
  readonly name: string;
  /** The card's address, 6 bytes. */
  readonly mac: Uint8Array;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  /** Which of ALL_OFFLOADS it can do. */
  readonly offloads: bigint;
  /**
   * The driver is ready. Frames that came before are gone, as on a card that is down. A driver that breaks its rings is
   * told by `Virtqueue.fail`, and the back end stops.
   */
  start(queues: NicQueues): void;
  /** There may be buffers for frames to the guest, after there were none. */
  receiveKicked(): void;
  /** There may be frames of the guest. */
  transmitKicked(): void;
  /** From now on the queues are not touched. Does nothing when it is stopped already. */
  stop(): void;
  /** Pulls the plug, after `stop`. */
  close(): void | Promise<void>;
}
