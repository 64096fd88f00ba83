import type { Link } from '../link/link';
import type { MacAddress } from '../wire/ethernet';
import type { IpAddress } from '../wire/ip-address';

/** Where frames for an address of the network go. The record of an address stays the same object when its NIC moves. */
export interface Neighbour {
  mac: MacAddress;
  link: Link;
  /** False: known from its lease only, it has not said a word yet (booting). Nothing is sent to it before. */
  present: boolean;
}

/** Guests that anybody may have: a guest that takes more addresses than this is not answered. */
const MAX_NEIGHBOURS = 4096;

/**
 * The guests' addresses, learned from every packet they send: a user-mode network has no strangers to ask for. The
 * oldest entries of a network that is full make room.
 */
export class Neighbours {
  readonly #byAddress = new Map<string, Neighbour>();
  #lastKey = '';
  #last: Neighbour | undefined;
  #lastW3 = 0;
  #lastW0 = 0;
  #lastW1 = 0;
  #lastW2 = 0;

  find(address: IpAddress): Neighbour | undefined {
    return this.#byAddress.get(keyOf(address));
  }

  /** Notes that `address` is at `mac` behind `link`; cheap when that is what it was. */
  learn(w0: number, w1: number, w2: number, w3: number, mac: MacAddress, link: Link): Neighbour {
    const last = this.#last;
    if (
      last !== undefined &&
      w3 === this.#lastW3 &&
      w2 === this.#lastW2 &&
      w1 === this.#lastW1 &&
      w0 === this.#lastW0
    ) {
      last.mac = mac;
      last.link = link;
      last.present = true;
      return last;
    }
    const key = keyOf({ w0, w1, w2, w3 });
    let found = this.#byAddress.get(key);
    if (found === undefined) {
      if (this.#byAddress.size >= MAX_NEIGHBOURS) this.#byAddress.delete(this.#byAddress.keys().next().value ?? '');
      found = { mac, link, present: true };
      this.#byAddress.set(key, found);
    } else {
      found.mac = mac;
      found.link = link;
      found.present = true;
    }
    this.#lastKey = key;
    this.#last = found;
    this.#lastW0 = w0;
    this.#lastW1 = w1;
    this.#lastW2 = w2;
    this.#lastW3 = w3;
    return found;
  }

  /** Notes where a guest will be that has not spoken yet. */
  expect(address: IpAddress, mac: MacAddress, link: Link): void {
    this.#byAddress.set(keyOf(address), { mac, link, present: false });
    this.#last = undefined;
  }

  /** Forgets what is behind a link that is gone. */
  forget(link: Link): void {
    for (const [key, neighbour] of this.#byAddress) {
      if (neighbour.link !== link) continue;
      this.#byAddress.delete(key);
      if (key === this.#lastKey) this.#last = undefined;
    }
  }
}

function keyOf({ w0, w1, w2, w3 }: IpAddress): string {
  return `${w0},${w1},${w2},${w3}`;
}
