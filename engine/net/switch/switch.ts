import type { PinnedBuffer } from '../../../native/pinned-buffer';
import type { FrameReceiver, Link } from '../link/link';
import { BROADCAST, isGroupAddress, type MacAddress, readMac } from '../wire/ethernet';
import { relayFrame } from './relay';

/** MAC addresses that are remembered; a guest that invents more only makes others' frames go everywhere. */
const MAX_ADDRESSES = 4096;

/** The gateway's side of the switch. */
export type UplinkReceiver = (
  link: Link,
  source: MacAddress,
  buffer: PinnedBuffer,
  start: number,
  end: number,
  verified: boolean,
) => void;

/** An Ethernet switch between the gateway and the guests' links, learning by source address (IEEE 802.1D section 7.8). */
export class Switch {
  readonly #links = new Set<Link>();
  readonly #places = new Map<MacAddress, Link>();

  constructor(
    private readonly gatewayMac: MacAddress,
    private readonly mtu: number,
    private readonly uplink: UplinkReceiver,
  ) {}

  get links(): ReadonlySet<Link> {
    return this.#links;
  }

  /** MAC addresses and the links they are behind. */
  get places(): ReadonlyMap<MacAddress, Link> {
    return this.#places;
  }

  /** Adds the link that `open` makes with the receiver it is given. */
  attach(open: (receive: FrameReceiver) => Link): Link {
    let link: Link | undefined;
    const opened = open((buffer, start, end, verified) => {
      if (link !== undefined) this.#receive(link, buffer, start, end, verified);
    });
    link = opened;
    this.#links.add(opened);
    opened.onClose(() => this.#detach(opened));
    return opened;
  }

  #receive(from: Link, buffer: PinnedBuffer, start: number, end: number, verified: boolean): void {
    const { view } = buffer;
    const destination = readMac(view, start);
    const source = readMac(view, start + 6);
    if (isGroupAddress(source) || source === this.gatewayMac) return;
    if (this.#places.get(source) !== from && (this.#places.size < MAX_ADDRESSES || this.#places.has(source))) {
      this.#places.set(source, from);
    }
    if (destination === this.gatewayMac) {
      this.uplink(from, source, buffer, start, end, verified);
      return;
    }
    if (destination === BROADCAST || isGroupAddress(destination)) {
      this.#flood(from, buffer, start, end, verified);
      this.uplink(from, source, buffer, start, end, verified);
      return;
    }
    const place = this.#places.get(destination);
    if (place === undefined) this.#flood(from, buffer, start, end, verified);
    else if (place !== from) relayFrame(place, buffer, start, end, verified, this.mtu);
  }

  #flood(from: Link, buffer: PinnedBuffer, start: number, end: number, verified: boolean): void {
    if (this.#links.size === 1) return;
    for (const link of this.#links) if (link !== from) relayFrame(link, buffer, start, end, verified, this.mtu);
  }

  #detach(link: Link): void {
    this.#links.delete(link);
    for (const [mac, place] of this.#places) if (place === link) this.#places.delete(mac);
  }
}
