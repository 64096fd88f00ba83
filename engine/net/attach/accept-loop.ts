import { EAGAIN, sockets } from '../../../native/sockets';
import type { Reactor, Watch } from '../reactor/reactor';
import type { ListeningSocket } from './listening-socket';

const ACCEPTS_IN_A_ROW = 16;
/** How long connections stay in the backlog when this process can't have more descriptors. */
const OUT_OF_DESCRIPTORS_PAUSE_MS = 200;

/** Hands every connection to `accepted`, which owns it. `close` also closes the listening socket. */
export function acceptConnections(
  reactor: Reactor,
  listening: ListeningSocket,
  accepted: (fd: number) => void,
): { close(): void } {
  let isOpen = true;
  const watch: Watch = reactor.watch(listening.fd, () => {
    for (let count = 0; isOpen && count < ACCEPTS_IN_A_ROW; count++) {
      const fd = sockets.accept(listening.fd);
      if (fd === -EAGAIN) return;
      if (fd < 0) {
        retry.set(reactor.nowMs + OUT_OF_DESCRIPTORS_PAUSE_MS);
        return;
      }
      accepted(fd);
    }
    if (isOpen) watch.again();
  });
  const retry = reactor.timer(() => watch.again());
  return {
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      retry.clear();
      watch.close();
      listening.close();
    },
  };
}
