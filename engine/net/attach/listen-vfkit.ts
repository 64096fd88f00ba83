import { allocatePinned } from '../../../native/pinned-buffer';
import { EAGAIN, SO_SNDBUF, SOCK_DGRAM, SOL_SOCKET, sockets } from '../../../native/sockets';
import type { FrameReceiver } from '../link/link';
import { ETHERNET_HEADER_BYTES } from '../wire/ethernet';
import { type AttachmentPoint, attachByMac } from './attach-by-mac';
import { DatagramLink } from './datagram-link';
import { openListeningSocket } from './listening-socket';
import { formatSocketUrl, type SocketUrl } from './socket-url';

const RECEIVE_BYTES = 128 * 1024;
const DATAGRAMS_IN_A_ROW = 64;
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** Of a sockaddr_un without a path: nobody can answer there. */
const ANONYMOUS_BYTES = 2;

interface Plugged {
  readonly link: DatagramLink;
  readonly peer: Buffer;
  readonly receive: FrameReceiver;
}

/**
 * Takes datagrams of vfkit, krunkit and libkrun: each is a frame, and who sent the last one is the guest, so that a
 * machine that was restarted takes the place of its former self. Older ones begin with a datagram `VFKT`, which like
 * everything too short to be a frame only tells where they are.
 * @throws EngineError HK_NET_UNAVAILABLE
 */
export async function listenVfkit(gateway: AttachmentPoint, url: SocketUrl): Promise<{ close(): void }> {
  const listening = await openListeningSocket(url, SOCK_DGRAM);
  const { fd } = listening;
  const { reactor, plan } = gateway.network;
  const options = { name: `vfkit at ${formatSocketUrl(url)}`, mtu: plan.mtu };
  sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
  const input = allocatePinned(RECEIVE_BYTES);
  let plugged: Plugged | undefined;
  let isOpen = true;

  const plug = (peer: Buffer): Plugged => {
    plugged?.link.close();
    const link = new DatagramLink(reactor, fd, { ...options, peer });
    let receiver: FrameReceiver = () => undefined;
    attachByMac(gateway, (receive) => {
      receiver = receive;
      return link;
    });
    link.onClose(() => {
      if (plugged?.link === link) plugged = undefined;
    });
    return { link, peer, receive: receiver };
  };

  const watch = reactor.watch(fd, () => {
    plugged?.link.unblock();
    for (let count = 0; isOpen && count < DATAGRAMS_IN_A_ROW; count++) {
      const length = sockets.receiveFrom(fd, input.address, RECEIVE_BYTES);
      if (length === -EAGAIN) return;
      if (length < 0 || length > RECEIVE_BYTES) continue;
      if (plugged === undefined || !sockets.lastPeerIs(plugged.peer)) {
        const peer = sockets.lastPeerBytes();
        if (peer.length <= ANONYMOUS_BYTES) continue;
        plugged = plug(peer);
      }
      if (length >= ETHERNET_HEADER_BYTES && length <= plan.mtu + ETHERNET_HEADER_BYTES) {
        plugged.receive(input, 0, length, false);
      }
    }
    if (isOpen) watch.again();
  });

  return {
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      plugged?.link.close();
      watch.close();
      listening.close();
    },
  };
}
