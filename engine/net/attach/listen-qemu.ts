import { sockets } from '../../../native/sockets';
import type { Link } from '../link/link';
import { createStreamLink, QEMU_FRAMING } from '../link/stream-link';
import { acceptConnections } from './accept-loop';
import { type AttachmentPoint, attachByMac } from './attach-by-mac';
import { openListeningSocket } from './listening-socket';
import { formatSocketUrl, type SocketUrl } from './socket-url';

const MAX_LINKS = 256;

/**
 * Takes QEMU's `-netdev stream,addr.type=unix` connections: each is a guest's cable, frames from its first byte on.
 * @throws EngineError HK_NET_UNAVAILABLE
 */
export async function listenQemu(gateway: AttachmentPoint, url: SocketUrl): Promise<{ close(): void }> {
  const listening = await openListeningSocket(url);
  const { reactor, plan } = gateway.network;
  const links = new Set<Link>();
  const options = { name: `qemu at ${formatSocketUrl(url)}`, framing: QEMU_FRAMING, mtu: plan.mtu };
  const accepting = acceptConnections(reactor, listening, (fd) => {
    if (links.size >= MAX_LINKS) {
      sockets.close(fd);
      return;
    }
    const link = attachByMac(gateway, (receive) => createStreamLink(reactor, fd, options, receive));
    links.add(link);
    link.onClose(() => links.delete(link));
  });
  return {
    close: () => {
      accepting.close();
      for (const link of links) link.close();
    },
  };
}
