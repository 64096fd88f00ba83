import { HEADROOM, type OutgoingFrame } from '../../../../../engine/net/link/link';
import { allocatePinned } from '../../../../../native/pinned-buffer';

/** A complete frame of these bytes, its payload beginning somewhere in the middle of a buffer. */
export function frameOf(bytes: Uint8Array, headerBytes = 14, more: Partial<OutgoingFrame> = {}): OutgoingFrame {
  const header = allocatePinned(HEADROOM + headerBytes);
  const payload = allocatePinned(Math.max(8, bytes.length + 5));
  header.bytes.set(bytes.subarray(0, headerBytes), HEADROOM);
  payload.bytes.set(bytes.subarray(headerBytes), 3);
  return {
    header,
    headerBytes,
    payload,
    payloadStart: 3,
    payloadBytes: bytes.length - headerBytes,
    checksumStart: -1,
    checksumOffset: 0,
    segmentBytes: 0,
    ...more,
  };
}
