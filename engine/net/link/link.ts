import type { PinnedBuffer } from '../../../native/pinned-buffer';

/** Bytes that a sender leaves free before a frame's headers, for what a link puts in front of them. */
export const HEADROOM = 16;

/**
 * A frame on its way to a guest: headers, then payload. Both are only valid during the call.
 *
 * Senders may leave two things to the link, as drivers do to a NIC: the checksum (`checksumStart` ≥ 0: the field at
 * `checksumStart + checksumOffset` holds the folded sum of the pseudo header) and the cutting into segments
 * (`segmentBytes` > 0: payload bytes per segment; the headers are those of the first). Datagrams are only left to a link
 * that says `cutsDatagrams`.
 */
export interface OutgoingFrame {
  /** Starts at byte HEADROOM. */
  readonly header: PinnedBuffer;
  readonly headerBytes: number;
  readonly payload: PinnedBuffer;
  readonly payloadStart: number;
  readonly payloadBytes: number;
  /** Where the checksummed part begins, counted from the frame's first byte; -1: the frame is complete. */
  readonly checksumStart: number;
  /** Where the checksum lies, counted from there. */
  readonly checksumOffset: number;
  readonly segmentBytes: number;
}

/**
 * Called for each frame that arrives; bytes `start` to `end` are only valid during the call. `verified`: the sender is
 * this host's own kernel, which has left checksums (and maybe segmentation) to us, so there is nothing to check.
 */
export type FrameReceiver = (buffer: PinnedBuffer, start: number, end: number, verified: boolean) => void;

/** One NIC's other end. */
export interface Link {
  /** For people: `tap eth0`, `qemu`, `vpnkit UUID`. */
  readonly name: string;
  /** Bytes that wait in the link because the other end doesn't read; a link that has some says `full`. */
  readonly full: boolean;
  /** Cuts UDP as it does TCP: `segmentBytes` for each datagram, the rest in the last; lengths are those of the whole. */
  readonly cutsDatagrams?: boolean;
  /** Sends a frame, or drops it when the link is full (as a NIC does) and answers false. */
  send(frame: OutgoingFrame): boolean;
  /** Called when a link that was full is so no more. */
  onDrain(listener: () => void): void;
  /** Called once when the other end is gone. */
  onClose(listener: () => void): void;
  close(): void;
}
