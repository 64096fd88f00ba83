import { sockets } from '../../../native/sockets';
import { formatIpv4 } from '../addressing/ipv4';
import { formatMac, macToNumber } from '../addressing/mac';
import { acceptConnections } from '../attach/accept-loop';
import type { AttachmentPoint } from '../attach/attach-by-mac';
import { openListeningSocket } from '../attach/listening-socket';
import type { SocketUrl } from '../attach/socket-url';
import type { Link } from '../link/link';
import { createStreamLink, VPNKIT_FRAMING } from '../link/stream-link';
import { ipv4 } from '../wire/ip-address';
import { type EthernetCommand, encodeResponse } from './codec';
import { sendMessage } from './exact-bytes';
import { ServerHandshake } from './server-handshake';

/** VPNKit announces so much more than the MTU, for whoever sizes buffers by it. */
const MAX_PACKET_EXTRA_BYTES = 50;
const HANDSHAKE_MS = 10_000;
const MAX_HANDSHAKES = 128;
const MAX_LINKS = 1024;

export interface EthernetServerOptions {
  readonly log: (line: string) => void;
  /** From a connection's beginning until it has an interface; 10 s unless given. */
  readonly handshakeMs?: number;
}

/** VPNKit's Ethernet socket: every connection is a NIC of the network. */
export interface EthernetServer {
  /** For how long nobody has been plugged in or has tried to be, in milliseconds; 0 while somebody is. */
  idleMs(): number;
  /** Ends the connections, too. Idempotent. */
  close(): void;
}

/** @throws EngineError HK_NET_UNAVAILABLE */
export async function serveEthernet(
  gateway: AttachmentPoint,
  url: SocketUrl,
  options: EthernetServerOptions,
): Promise<EthernetServer> {
  const listening = await openListeningSocket(url);
  const { network, book } = gateway;
  const { reactor, plan } = network;
  const handshakes = new Set<ServerHandshake>();
  const links = new Set<Link>();
  let lastUseMs = performance.now();

  const admit = (fd: number, command: EthernetCommand): void => {
    const answer = book.connect(command);
    if (!answer.admitted) {
      options.log(`ethernet: a guest was refused: ${answer.text}`);
      // VPNKit has no words for this one.
      if (answer.reason !== 'uuid-malformed')
        sendMessage(fd, encodeResponse({ kind: 'disconnect', text: answer.text }));
      sockets.close(fd);
      return;
    }
    const { mtu } = plan;
    const mac = formatMac(answer.mac);
    const maxPacketBytes = Math.min(mtu + MAX_PACKET_EXTRA_BYTES, 0xffff);
    if (!sendMessage(fd, encodeResponse({ kind: 'vif', mtu, maxPacketBytes, mac: answer.mac }))) {
      answer.leave();
      sockets.close(fd);
      return;
    }
    const name = `vpnkit ${answer.uuid ?? mac}`;
    const link = network.attach((receive) =>
      createStreamLink(reactor, fd, { name, framing: VPNKIT_FRAMING, mtu }, receive),
    );
    links.add(link);
    network.gateway.neighbours.expect(ipv4(answer.ip), macToNumber(answer.mac), link);
    link.onClose(() => {
      links.delete(link);
      lastUseMs = performance.now();
      answer.leave();
      options.log(`ethernet: ${mac} left`);
    });
    options.log(`ethernet: ${answer.uuid} is ${mac} at ${formatIpv4(answer.ip)}`);
  };

  const accepting = acceptConnections(reactor, listening, (fd) => {
    lastUseMs = performance.now();
    if (handshakes.size >= MAX_HANDSHAKES || links.size >= MAX_LINKS) {
      sockets.close(fd);
      return;
    }
    const handshake = new ServerHandshake(reactor, fd, options.handshakeMs ?? HANDSHAKE_MS, (command) => {
      handshakes.delete(handshake);
      if (command === undefined) sockets.close(fd);
      else admit(fd, command);
    });
    handshakes.add(handshake);
  });

  return {
    idleMs: () => (links.size > 0 ? 0 : performance.now() - lastUseMs),
    close: () => {
      accepting.close();
      for (const handshake of handshakes) handshake.abandon();
      for (const link of links) link.close();
    },
  };
}
