import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import { HEADROOM, type OutgoingFrame } from '../link/link';
import { finish, fold, sumBytes } from '../wire/checksum';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, ETHERTYPE_IPV6, type MacAddress, writeMac } from '../wire/ethernet';
import { type IpAddress, isV4, writeIpv6 } from '../wire/ip-address';
import type { Neighbour } from './neighbours';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const DEFAULT_TTL = 64;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
/** Layout: gateway.ts. */
const IPPROTO_FRAGMENT = 44;
const FRAGMENT_HEADER_BYTES = 8;
const NEXT_HEADER_OFFSET = 6;
const NOTHING = allocatePinned(8);

/** An OutgoingFrame that is filled anew for each frame. */
interface FrameDraft {
  header: PinnedBuffer;
  headerBytes: number;
  payload: PinnedBuffer;
  payloadStart: number;
  payloadBytes: number;
  checksumStart: number;
  checksumOffset: number;
  segmentBytes: number;
}

/**
 * Writes Ethernet and IP headers in front of what a transport puts behind them, and sends the frame. One frame at a
 * time, in one place of memory: `begin`, then the transport's header at `offset` of `view`, then `send`.
 */
export class PacketWriter {
  readonly #header = allocatePinned(256);
  readonly #frame: FrameDraft = {
    header: this.#header,
    headerBytes: 0,
    payload: NOTHING,
    payloadStart: 0,
    payloadBytes: 0,
    checksumStart: -1,
    checksumOffset: 0,
    segmentBytes: 0,
  };
  #ip = 0;
  #isV4 = true;
  #offset = 0;
  #pseudo = 0;
  #identification = 0;
  #identification6 = 0;

  /** @param mtu bytes of an IP packet. */
  constructor(
    private readonly ourMac: MacAddress,
    private readonly mtu: number,
  ) {}

  get view(): DataView {
    return this.#header.view;
  }

  get bytes(): Buffer {
    return this.#header.bytes;
  }

  /** What a packet to that address can hold behind its IP header. */
  bodyBytesTo(destination: IpAddress): number {
    return this.mtu - (isV4(destination) ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);
  }

  /** Begins a packet and answers where its transport header goes. */
  begin(
    neighbour: Neighbour,
    source: IpAddress,
    destination: IpAddress,
    protocol: number,
    hopLimit = DEFAULT_TTL,
  ): number {
    const { view } = this.#header;
    writeMac(view, HEADROOM, neighbour.mac);
    writeMac(view, HEADROOM + 6, this.ourMac);
    const ip = HEADROOM + ETHERNET_HEADER_BYTES;
    this.#ip = ip;
    this.#isV4 = isV4(destination);
    if (this.#isV4) {
      view.setUint16(HEADROOM + 12, ETHERTYPE_IPV4);
      view.setUint16(ip, 0x4500);
      view.setUint16(ip + 6, DONT_FRAGMENT);
      view.setUint8(ip + 8, hopLimit);
      view.setUint8(ip + 9, protocol);
      view.setInt32(ip + 12, source.w3);
      view.setInt32(ip + 16, destination.w3);
      this.#pseudo = sumBytes(view, ip + 12, ip + 20) + protocol;
      this.#offset = ip + IPV4_HEADER_BYTES;
    } else {
      view.setUint16(HEADROOM + 12, ETHERTYPE_IPV6);
      view.setUint32(ip, 0x6000_0000);
      view.setUint8(ip + 6, protocol);
      view.setUint8(ip + 7, hopLimit);
      writeIpv6(view, ip + 8, source);
      writeIpv6(view, ip + 24, destination);
      this.#pseudo = sumBytes(view, ip + 8, ip + 40) + protocol;
      this.#offset = ip + IPV6_HEADER_BYTES;
    }
    return this.#offset;
  }

  /**
   * Sends the packet begun: a transport header of `transportBytes` at the offset that `begin` gave, then the payload.
   * The checksum at `checksumOffset` of the transport header is seen to; -1: there is none. With `segmentBytes` the
   * payload may be cut into several packets: TCP's on every link, datagrams on one that `cutsDatagrams`.
   */
  send(
    link: Neighbour['link'],
    transportBytes: number,
    checksumOffset: number,
    payload: PinnedBuffer = NOTHING,
    payloadStart = 0,
    payloadBytes = 0,
    segmentBytes = 0,
  ): boolean {
    const { view } = this.#header;
    const ip = this.#ip;
    const bodyBytes = transportBytes + payloadBytes;
    if (this.#isV4) {
      view.setUint16(ip + 2, IPV4_HEADER_BYTES + bodyBytes);
      // Atomic datagrams need no identification (RFC 6864), but several make of one segment want to differ.
      view.setUint16(ip + 4, this.#identification);
      this.#identification =
        (this.#identification + (segmentBytes > 0 ? Math.ceil(payloadBytes / segmentBytes) : 1)) & 0xffff;
      view.setUint16(ip + 10, 0);
      view.setUint16(ip + 10, finish(sumBytes(view, ip, ip + IPV4_HEADER_BYTES)));
    } else {
      view.setUint16(ip + 4, this.#offset - ip - IPV6_HEADER_BYTES + bodyBytes);
    }
    const frame = this.#frame;
    frame.headerBytes = this.#offset - HEADROOM + transportBytes;
    frame.payload = payload;
    frame.payloadStart = payloadStart;
    frame.payloadBytes = payloadBytes;
    frame.segmentBytes = segmentBytes;
    frame.checksumOffset = checksumOffset;
    frame.checksumStart = -1;
    if (checksumOffset >= 0) {
      frame.checksumStart = this.#offset - HEADROOM;
      view.setUint16(this.#offset + checksumOffset, fold(this.#pseudo + bodyBytes));
    }
    return link.send(frame as OutgoingFrame);
  }

  /** As `send`, for datagrams of any size: in fragments when one packet of the MTU can't hold it. */
  sendDatagram(
    link: Neighbour['link'],
    transportBytes: number,
    checksumOffset: number,
    payload: PinnedBuffer,
    payloadStart: number,
    payloadBytes: number,
  ): boolean {
    const fits = this.#offset - this.#ip + transportBytes + payloadBytes <= this.mtu;
    if (fits) return this.send(link, transportBytes, checksumOffset, payload, payloadStart, payloadBytes);
    if (checksumOffset >= 0) this.#sumWhole(transportBytes, checksumOffset, payload, payloadStart, payloadBytes);
    if (this.#isV4) return this.#sendFragments(link, transportBytes, payload, payloadStart, payloadBytes);
    return this.#sendIpv6Fragments(link, transportBytes, payload, payloadStart, payloadBytes);
  }

  /** Makes the checksum of a packet that goes out in pieces, of which no link sees the whole. */
  #sumWhole(
    transportBytes: number,
    checksumOffset: number,
    payload: PinnedBuffer,
    payloadStart: number,
    payloadBytes: number,
  ): void {
    const { view } = this.#header;
    const field = this.#offset + checksumOffset;
    view.setUint16(field, 0);
    const headerSum = sumBytes(
      view,
      this.#offset,
      this.#offset + transportBytes,
      this.#pseudo + transportBytes + payloadBytes,
    );
    const checksum = finish(sumBytes(payload.view, payloadStart, payloadStart + payloadBytes, headerSum));
    view.setUint16(field, checksum === 0 ? 0xffff : checksum);
  }

  /** RFC 791 section 3.2. */
  #sendFragments(
    link: Neighbour['link'],
    transportBytes: number,
    payload: PinnedBuffer,
    payloadStart: number,
    payloadBytes: number,
  ): boolean {
    const { view } = this.#header;
    const step = (this.mtu - IPV4_HEADER_BYTES) & ~7;
    const wholeBytes = transportBytes + payloadBytes;
    const identification = this.#identification;
    for (let offset = 0; offset < wholeBytes; offset += step) {
      const end = Math.min(offset + step, wholeBytes);
      const header = offset === 0 ? transportBytes : 0;
      const from = Math.max(0, offset - transportBytes);
      view.setUint16(this.#ip + 6, (offset / 8) | (end < wholeBytes ? MORE_FRAGMENTS : 0));
      this.#identification = identification;
      if (!this.send(link, header, -1, payload, payloadStart + from, end - transportBytes - from)) return false;
    }
    return true;
  }

  /** RFC 8200 section 4.5; the header that says so stands between the packet's and the transport's. */
  #sendIpv6Fragments(
    link: Neighbour['link'],
    transportBytes: number,
    payload: PinnedBuffer,
    payloadStart: number,
    payloadBytes: number,
  ): boolean {
    const { view, bytes } = this.#header;
    const fragment = this.#offset;
    bytes.copyWithin(fragment + FRAGMENT_HEADER_BYTES, fragment, fragment + transportBytes);
    this.#offset = fragment + FRAGMENT_HEADER_BYTES;
    view.setUint16(fragment, view.getUint8(this.#ip + NEXT_HEADER_OFFSET) << 8);
    view.setUint8(this.#ip + NEXT_HEADER_OFFSET, IPPROTO_FRAGMENT);
    view.setUint32(fragment + 4, this.#identification6++ >>> 0);
    const step = (this.mtu - IPV6_HEADER_BYTES - FRAGMENT_HEADER_BYTES) & ~7;
    const wholeBytes = transportBytes + payloadBytes;
    for (let offset = 0; offset < wholeBytes; offset += step) {
      const end = Math.min(offset + step, wholeBytes);
      const header = offset === 0 ? transportBytes : 0;
      const from = Math.max(0, offset - transportBytes);
      view.setUint16(fragment + 2, offset | (end < wholeBytes ? 1 : 0));
      if (!this.send(link, header, -1, payload, payloadStart + from, end - transportBytes - from)) return false;
    }
    return true;
  }

  /** Sends an Ethernet frame that is not IP, `frameBytes` long, whose bytes from HEADROOM on were written by the caller. */
  sendRaw(link: Neighbour['link'], frameBytes: number): boolean {
    const frame = this.#frame;
    frame.headerBytes = frameBytes;
    frame.payload = NOTHING;
    frame.payloadBytes = 0;
    frame.segmentBytes = 0;
    frame.checksumStart = -1;
    return link.send(frame as OutgoingFrame);
  }
}
