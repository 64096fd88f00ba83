import { setTimeout as pause } from 'node:timers/promises';
import { sockets } from '../../../native/sockets';
import { formatMac } from '../addressing/mac';
import type { Reactor } from '../reactor/reactor';
import { connectEthernet, type EthernetConnection, type EthernetRequest } from './connect-ethernet';

const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 5000;
/** A connection that lasted for so long was a good one: the next back-off begins anew. */
const GOOD_MS = 5000;

/**
 * Brings a machine back into a vpnkit or gvproxy that went away: joins again with the same UUID, after 0.1 s at first
 * and every 5 s at last, until the request's signal is aborted.
 */
export class Rejoin {
  #sinceMs = performance.now();
  #backOffMs = FIRST_BACK_OFF_MS;

  /** @param mac what the machine's card has, whatever the network says later; 6 bytes. */
  constructor(
    private readonly reactor: Reactor,
    private readonly request: EthernetRequest & { readonly signal: AbortSignal },
    private readonly mac: Uint8Array,
    private readonly joined: (connection: EthernetConnection) => void,
  ) {}

  /** The connection is gone; `joined` is called with the next one. */
  lost(): void {
    this.request.log(`the network at ${this.request.path} is gone; the machine's cable is out until it is back`);
    if (performance.now() - this.#sinceMs > GOOD_MS) this.#backOffMs = FIRST_BACK_OFF_MS;
    void this.#rejoin();
  }

  async #rejoin(): Promise<void> {
    const { signal, path, log } = this.request;
    for (let complaint = ''; ; this.#backOff()) {
      try {
        await pause(this.#backOffMs, undefined, { signal });
        const again = await connectEthernet(this.reactor, { ...this.request, connectMs: 0 });
        this.#sinceMs = performance.now();
        this.#backOff();
        if (formatMac(again.mac) !== formatMac(this.mac)) {
          log(`the network now knows the machine as ${formatMac(again.mac)}, its card is ${formatMac(this.mac)}`);
        }
        if (signal.aborted) {
          sockets.close(again.fd);
          return;
        }
        this.joined(again);
        log(`back in the network at ${path}`);
        return;
      } catch (error) {
        if (signal.aborted) return;
        // The same reason again and again is one line of log.
        const { message } = error as Error;
        if (message !== complaint) log(message);
        complaint = message;
      }
    }
  }

  #backOff(): void {
    this.#backOffMs = Math.min(2 * this.#backOffMs, LONGEST_BACK_OFF_MS);
  }
}
