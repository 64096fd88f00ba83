import {
  AF_INET,
  AF_INET6,
  IPV6_V6ONLY,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_IPV6,
  SOL_SOCKET,
  sockets,
} from '../../../native/sockets';
import type { Network } from '../network';
import { ReceiveBatch } from '../udp/receive-batch';
import { type IpEndpoint, isV4, toBytes } from '../wire/ip-address';
import type { OpenListener } from './open-listener';
import type { PeerPorts } from './peer-ports';

const BATCHES_IN_A_ROW = 4;
const SOCKET_BUFFER_BYTES = 1024 * 1024;

/** Listens on a UDP port of the host for datagrams to a guest; each peer gets a port of the gateway's. @throws NativeError */
export function listenUdp(network: Network, peers: PeerPorts, host: IpEndpoint, guest: IpEndpoint): OpenListener {
  const fd = sockets.socket(isV4(host.address) ? AF_INET : AF_INET6, SOCK_DGRAM);
  try {
    if (!isV4(host.address)) sockets.setOption(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    sockets.setOption(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
    ReceiveBatch.prepare(fd);
    sockets.bind(fd, { address: toBytes(host.address), port: host.port });
  } catch (error) {
    sockets.close(fd);
    throw error;
  }
  const watch = network.reactor.watch(fd, () => {
    for (let batches = 0; batches < BATCHES_IN_A_ROW; batches++) {
      const more = network.incoming.receive(fd, (peer, buffer, start, end, datagramBytes) => {
        const port = peers.portFor(fd, peer, guest);
        if (port !== undefined) network.sendToGuest(guest.address, guest.port, port, buffer, start, end, datagramBytes);
      });
      if (!more) return;
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
