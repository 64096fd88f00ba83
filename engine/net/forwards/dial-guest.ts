import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import type { Endpoint } from '../flow';
import type { Network } from '../network';
import { formatAddress, ipv4, parseAddress } from '../wire/ip-address';

const LOOPBACK = ipv4(0x7f00_0001);
/** A guest that is booting may take its time, but not all of the asker's. */
const DEADLINE_MS = 30_000;

/**
 * Connects to a port of a guest; resolves when the guest has accepted.
 * @throws EngineError HK_FORWARD_FAILED: there is no such guest, it refuses, or it does not answer within 30 s.
 */
export function dialGuest(network: Network, endpoint: Endpoint): Promise<Duplex> {
  const address = parseAddress(endpoint.address);
  return new Promise((resolve, reject) => {
    const [ours, theirs] = sockets.pair();
    let timer: NodeJS.Timeout | undefined;
    let isSettled = false;
    const settle = (failure?: string): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      if (failure === undefined) {
        resolve(new Socket({ fd: theirs, readable: true, writable: true, allowHalfOpen: true }));
        return;
      }
      sockets.close(theirs);
      const where = `${address === undefined ? endpoint.address : formatAddress(address)} port ${endpoint.port}`;
      reject(new EngineError('HK_FORWARD_FAILED', `cannot connect to ${where}: ${failure}`));
    };
    const answered = (open: boolean): void => settle(open ? undefined : 'the guest refused, or is gone');
    const from = { address: LOOPBACK, port: 0 };
    if (address === undefined || !network.connectToGuest(ours, from, address, endpoint.port, answered)) {
      sockets.close(ours);
      settle('there is no such guest');
      return;
    }
    if (isSettled) return;
    timer = setTimeout(() => settle(`the guest did not answer within ${DEADLINE_MS / 1000} s`), DEADLINE_MS);
  });
}
