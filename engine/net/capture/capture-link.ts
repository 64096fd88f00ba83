import { allocatePinned } from '../../../native/pinned-buffer';
import { type FrameReceiver, HEADROOM, type Link } from '../link/link';
import type { FrameTaps } from './frame-tap';

/** The longest headers and the longest IP packet: what a TCP sender hands over in one piece. */
const LONGEST_FRAME_BYTES = 256 + 65_536;

/**
 * Opens a link whose frames the taps see. Frames to the guest are seen as the gateway makes them: one that the link
 * will cut into segments is one, and its checksum is what the link will finish.
 */
export function captureLink(taps: FrameTaps, receive: FrameReceiver, open: (receive: FrameReceiver) => Link): Link {
  const frameBytes = allocatePinned(LONGEST_FRAME_BYTES).bytes;
  const link = open((buffer, start, end, verified) => {
    taps.current?.capture(buffer.bytes, start, end - start, 'in');
    receive(buffer, start, end, verified);
  });
  return {
    name: link.name,
    get full() {
      return link.full;
    },
    send: (frame) => {
      const tap = taps.current;
      const { header, headerBytes, payload, payloadStart, payloadBytes } = frame;
      if (tap !== undefined && headerBytes + payloadBytes <= LONGEST_FRAME_BYTES) {
        header.bytes.copy(frameBytes, 0, HEADROOM, HEADROOM + headerBytes);
        payload.bytes.copy(frameBytes, headerBytes, payloadStart, payloadStart + payloadBytes);
        tap.capture(frameBytes, 0, headerBytes + payloadBytes, 'out');
      }
      return link.send(frame);
    },
    onDrain: (listener) => link.onDrain(listener),
    onClose: (listener) => link.onClose(listener),
    close: () => link.close(),
  };
}
