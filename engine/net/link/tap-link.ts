import { IOVEC_BYTES, writeVector } from '../../../native/message-header';
import { allocatePinned } from '../../../native/pinned-buffer';
import { EAGAIN, sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import type { Reactor } from '../reactor/reactor';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet';
import { eachDatagram } from './datagram-cut';
import { type FrameReceiver, HEADROOM, type Link, type OutgoingFrame } from './link';

// struct virtio_net_hdr (linux/virtio_net.h), host byte order:
// 0 u8 flags, 1 u8 gso_type, 2 u16 hdr_len, 4 u16 gso_size, 6 u16 csum_start, 8 u16 csum_offset
const VNET_HEADER_BYTES = 10;
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
/** Where a UDP header has its checksum. */
const UDP_CHECKSUM_OFFSET = 6;

const RECEIVE_BYTES = 128 * 1024;
/** Frames read in a row before others get their turn. */
const FRAMES_IN_A_ROW = 64;

/**
 * A Linux tap device with virtio_net headers: the kernel hands over TCP in pieces of up to 64 KiB and takes them so,
 * whatever the MTU, and nobody computes a checksum. UDP, too, since Linux 6.2.
 * @param netns path of the network namespace that holds the device, ours unless told.
 * @throws EngineError HK_NET_UNAVAILABLE
 */
export function openTapLink(reactor: Reactor, device: string, receive: FrameReceiver, netns?: string): Link {
  let tap: ReturnType<typeof sockets.openTap>;
  try {
    tap = sockets.openTap(device, netns);
  } catch (cause) {
    throw new EngineError(
      'HK_NET_UNAVAILABLE',
      `cannot open the tap device ${device}: ${(cause as Error).message}; it takes /dev/net/tun and the right to manage the network (CAP_NET_ADMIN) of its namespace`,
      { cause },
    );
  }
  const { fd, cutsDatagrams } = tap;
  const input = allocatePinned(RECEIVE_BYTES);
  const vectors = allocatePinned(2 * IOVEC_BYTES);
  const closeListeners: (() => void)[] = [];

  const watch = reactor.watch(fd, () => {
    for (let frames = 0; frames < FRAMES_IN_A_ROW; frames++) {
      const length = sockets.read(fd, input.address, RECEIVE_BYTES);
      if (length < 0) {
        if (length !== -EAGAIN) close();
        return;
      }
      if (length < VNET_HEADER_BYTES + ETHERNET_HEADER_BYTES) continue;
      if (input.view.getUint8(1) !== VIRTIO_NET_HDR_GSO_UDP_L4) receive(input, VNET_HEADER_BYTES, length, true);
      else eachDatagram(input, VNET_HEADER_BYTES, length, input.view.getUint16(4, true), receive);
      if (!open) return;
    }
    watch.again();
  });

  let open = true;
  function close(): void {
    if (!open) return;
    open = false;
    watch.close();
    sockets.close(fd);
    for (const listener of closeListeners) listener();
  }

  return {
    name: `tap ${device}`,
    full: false,
    cutsDatagrams,
    send: (frame) => {
      if (!open) return false;
      const start = HEADROOM - VNET_HEADER_BYTES;
      writeVnetHeader(frame, start);
      writeVector(vectors.view, 0, frame.header.address + start, VNET_HEADER_BYTES + frame.headerBytes);
      writeVector(vectors.view, IOVEC_BYTES, frame.payload.address + frame.payloadStart, frame.payloadBytes);
      return sockets.writeVectors(fd, vectors.address, frame.payloadBytes > 0 ? 2 : 1) >= 0;
    },
    onDrain: () => undefined,
    onClose: (listener) => void closeListeners.push(listener),
    close,
  };
}

function writeVnetHeader(frame: OutgoingFrame, at: number): void {
  const { view } = frame.header;
  const { headerBytes, checksumStart, checksumOffset, segmentBytes } = frame;
  const cut = segmentBytes > 0 && frame.payloadBytes > segmentBytes;
  const isV4 = view.getUint8(HEADROOM + ETHERNET_HEADER_BYTES) >> 4 === 4;
  const tcp = isV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
  const kind = checksumOffset === UDP_CHECKSUM_OFFSET ? VIRTIO_NET_HDR_GSO_UDP_L4 : tcp;
  view.setUint8(at, checksumStart >= 0 ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
  view.setUint8(at + 1, cut ? kind : 0);
  view.setUint16(at + 2, cut ? headerBytes : 0, true);
  view.setUint16(at + 4, cut ? segmentBytes : 0, true);
  view.setUint16(at + 6, Math.max(checksumStart, 0), true);
  view.setUint16(at + 8, checksumStart >= 0 ? checksumOffset : 0, true);
}
