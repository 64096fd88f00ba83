import { allocatePinned, type PinnedBuffer } from '../../../../native/pinned-buffer';
import { createStreamLink, type Framing, type StreamLink } from '../../../net/link/stream-link';
import type { Reactor } from '../../../net/reactor/reactor';
import { relayFrame } from '../../../net/switch/relay';
import { GuestLink } from './guest-link';
import { LONGEST_FRAME_BYTES } from './net-header';
import type { NicBackend } from './nic-backend';

/** IEEE 802.3 section 3.2.8, without the checksum: a card fills frames up to this. */
const SHORTEST_FRAME_BYTES = 60;

export interface StreamNicOptions {
  /** For people. */
  readonly name: string;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  readonly framing: Framing;
  /** The other end is gone, and the cable out until the next `plug`. */
  readonly lost: () => void;
}

export interface StreamNic extends NicBackend {
  /** Connects the stream of a descriptor, which the NIC owns from now on. */
  plug(fd: number): void;
}

/**
 * A NIC whose other end is a stream of frames. They are complete both ways: such streams have no offloads. None is lost
 * as long as both sides are there: who is not read from waits.
 */
export function createStreamNic(reactor: Reactor, { name, mac, mtu, framing, lost }: StreamNicOptions): StreamNic {
  let closed = false;
  /** The frame that found no room in the guest. */
  const held = allocatePinned(LONGEST_FRAME_BYTES);
  let heldBytes = 0;
  let far: StreamLink | undefined;

  const guest = new GuestLink(reactor, { name, mtu, mustWait: () => far?.full === true }, (buffer, start, end) => {
    if (far !== undefined) relayFrame(far, buffer, start, padded(buffer, start, end), false, mtu);
  });
  guest.onDrain(() => {
    if (heldBytes > 0 && !relayFrame(guest, held, 0, heldBytes, false, mtu) && guest.full) return;
    heldBytes = 0;
    far?.resume();
  });

  const toGuest = (buffer: PinnedBuffer, start: number, end: number): void => {
    if (relayFrame(guest, buffer, start, end, false, mtu) || !guest.full) return;
    buffer.bytes.copy(held.bytes, 0, start, end);
    heldBytes = end - start;
    far?.pause();
  };
  const plug = (fd: number): void => {
    const link = createStreamLink(reactor, fd, { name, framing, mtu }, toGuest);
    far = link;
    heldBytes = 0;
    link.onDrain(() => guest.resume());
    link.onClose(() => {
      far = undefined;
      if (closed) return;
      lost();
      // Nobody takes them; a guest that waits for that would notice.
      guest.resume();
    });
    guest.resume();
  };

  return {
    name,
    mac,
    mtu,
    offloads: 0n,
    plug,
    start: (queues) => guest.start(queues),
    receiveKicked: () => guest.receiveKicked(),
    transmitKicked: () => guest.transmitKicked(),
    stop: () => guest.stop(),
    close: () => {
      closed = true;
      far?.close();
      guest.close();
    },
  };
}

/** The end of the frame, when it is as long as one must be. There is room: the buffer is for the longest. */
function padded({ bytes }: PinnedBuffer, start: number, end: number): number {
  const longEnough = Math.max(end, start + SHORTEST_FRAME_BYTES);
  bytes.fill(0, end, longEnough);
  return longEnough;
}
