import { allocatePinned } from '../../../native/pinned-buffer';
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  IPV6_V6ONLY,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_IPV6,
  SOL_SOCKET,
  type SocketAddress,
  sockets,
} from '../../../native/sockets';
import type { Network } from '../network';
import { type IpEndpoint, isV4, toBytes } from '../wire/ip-address';
import type { OpenListener } from './open-listener';
import type { PeerPorts } from './peer-ports';

const MAX_DATAGRAM_BYTES = 65_536;
const DATAGRAMS_IN_A_ROW = 64;
const SOCKET_BUFFER_BYTES = 1024 * 1024;

/** Listens on a UDP port of the host for datagrams to a guest; each peer gets a port of the gateway's. @throws NativeError */
export function listenUdp(network: Network, peers: PeerPorts, host: IpEndpoint, guest: IpEndpoint): OpenListener {
  const fd = sockets.socket(isV4(host.address) ? AF_INET : AF_INET6, SOCK_DGRAM);
  try {
    if (!isV4(host.address)) sockets.setOption(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    sockets.setOption(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
    sockets.bind(fd, { address: toBytes(host.address), port: host.port });
  } catch (error) {
    sockets.close(fd);
    throw error;
  }
  const input = allocatePinned(MAX_DATAGRAM_BYTES);
  const watch = network.reactor.watch(fd, () => {
    for (let count = 0; count < DATAGRAMS_IN_A_ROW; count++) {
      const length = sockets.receiveFrom(fd, input.address, MAX_DATAGRAM_BYTES);
      if (length === -EAGAIN) return;
      if (length < 0) continue;
      const peer: SocketAddress = sockets.lastPeer();
      const port = peers.portFor(fd, peer, guest);
      if (port !== undefined) network.sendToGuest(guest.address, guest.port, port, input, 0, length);
    }
    watch.again();
  });
  return {
    port: sockets.localAddress(fd).port,
    close: () => {
      watch.close();
      peers.forget(fd);
      sockets.close(fd);
    },
  };
}
