import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  sockets,
  TCP_NODELAY,
} from '../../../native/sockets';
import type { Network } from '../network';
import type { Watch } from '../reactor/reactor';
import { fromBytes, type IpEndpoint, isV4, toBytes } from '../wire/ip-address';
import type { OpenListener } from './open-listener';

const DEFAULT_BACKLOG = 1024;
const ACCEPTS_IN_A_ROW = 64;
/** How long a listener that ran out of descriptors leaves new connections in its backlog. */
const OUT_OF_DESCRIPTORS_PAUSE_MS = 200;

export interface TcpListening {
  /** Connections that may wait to be accepted. */
  readonly backlog: number | undefined;
  /** Called for each connection that was accepted. */
  readonly onConnection: (() => void) | undefined;
}

/** Listens on a TCP port of the host for connections to a guest. @throws NativeError */
export function listenTcp(
  network: Network,
  host: IpEndpoint,
  guest: IpEndpoint,
  { backlog = DEFAULT_BACKLOG, onConnection }: TcpListening,
): OpenListener {
  const fd = sockets.socket(isV4(host.address) ? AF_INET : AF_INET6, SOCK_STREAM);
  try {
    sockets.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!isV4(host.address)) sockets.setOption(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    sockets.bind(fd, { address: toBytes(host.address), port: host.port });
    sockets.listen(fd, backlog);
  } catch (error) {
    sockets.close(fd);
    throw error;
  }
  const watch: Watch = network.reactor.watch(fd, () => {
    for (let accepted = 0; accepted < ACCEPTS_IN_A_ROW; accepted++) {
      const connected = sockets.accept(fd);
      if (connected === -EAGAIN) return;
      if (connected < 0) {
        retry.set(network.reactor.nowMs + OUT_OF_DESCRIPTORS_PAUSE_MS);
        return;
      }
      const peer = sockets.lastPeer();
      onConnection?.();
      sockets.setOption(connected, SOL_TCP, TCP_NODELAY, 1);
      const from = { address: fromBytes(peer.address), port: peer.port };
      if (network.connectToGuest(connected, from, guest.address, guest.port)) continue;
      sockets.resetOnClose(connected);
      sockets.close(connected);
    }
    watch.again();
  });
  const retry = network.reactor.timer(() => watch.again());
  return {
    port: sockets.localAddress(fd).port,
    close: () => {
      retry.clear();
      watch.close();
      sockets.close(fd);
    },
  };
}
