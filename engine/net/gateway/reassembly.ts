import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import type { Reactor } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { finish, sumBytes } from '../wire/checksum';
import { isV4 } from '../wire/ip-address';
import type { IpPacket } from './ip-packet';

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** Where the payload begins in a draft; the header, of either family, ends there. */
const BODY = IPV6_HEADER_BYTES;
/** RFC 791 section 3.1, RFC 8200 section 3: IPv4 counts its header, IPv6 doesn't. */
const MAX_LENGTH = 65_535;
/** Packets in pieces at once; the oldest makes room. */
const MAX_PACKETS = 16;
/** RFC 1122 section 3.3.2 and RFC 8200 section 4.5 speak of 60 s; their packets cross the world, these a memory bus. */
const DEADLINE_MS = 5000;

/** Where a fragment belongs. */
export interface FragmentPlace {
  readonly identification: number;
  /** Bytes of the packet's payload before it. */
  readonly offset: number;
  readonly last: boolean;
}

interface Draft {
  readonly memory: PinnedBuffer;
  /** One bit for each 8 bytes of payload that came. */
  readonly seen: Uint8Array;
  receivedBlocks: number;
  /** Payload bytes of the whole packet; -1 until its last fragment came. */
  totalBytes: number;
  /** Where the last byte that came ends. */
  endBytes: number;
  /** Pieces contradict each other: what still comes of the packet is dropped, too. */
  spoilt: boolean;
  readonly sinceMs: number;
}

/**
 * Puts fragments together (RFC 791 section 3.2, RFC 8200 section 4.5, and for both RFC 5722's rule: fragments that overlap
 * spoil the packet).
 */
export class Reassembly {
  readonly #drafts = new Map<string, Draft>();
  /** Memory of packets that are done, for the next ones. */
  readonly #spare: PinnedBuffer[] = [];
  readonly #timer: Timer;

  constructor(
    private readonly reactor: Reactor,
    private readonly whole: (fragment: IpPacket, buffer: PinnedBuffer, start: number, end: number) => void,
  ) {
    this.#timer = reactor.timer(() => this.#expire());
  }

  /** Takes a fragment; `whole` is called with the packet when it was the last that was missing. */
  receive(fragment: IpPacket, place: FragmentPlace): void {
    const { start, end: fragmentEnd, buffer, headerStart } = fragment;
    const { offset, last } = place;
    const v4 = isV4(fragment.source);
    const length = fragmentEnd - start;
    const end = offset + length;
    if (length === 0 || (!last && length % 8 !== 0) || end > MAX_LENGTH - (v4 ? IPV4_HEADER_BYTES : 0)) return;
    const key = keyOf(fragment, place.identification);
    const draft = this.#drafts.get(key) ?? this.#begin(key);
    if (draft.spoilt || isCopy(draft, fragment, offset, last)) return;
    const blocks = Math.ceil(length / 8);
    const firstBlock = offset / 8;
    const beyondEnd = draft.totalBytes >= 0 ? last || end > draft.totalBytes : last && draft.endBytes > end;
    if (beyondEnd || draft.seen.subarray(firstBlock, firstBlock + blocks).includes(1)) {
      draft.spoilt = true;
      return;
    }
    draft.endBytes = Math.max(draft.endBytes, end);
    draft.seen.fill(1, firstBlock, firstBlock + blocks);
    draft.receivedBlocks += blocks;
    buffer.bytes.copy(draft.memory.bytes, BODY + offset, start, fragmentEnd);
    if (offset === 0) {
      const headerBytes = v4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
      buffer.bytes.copy(draft.memory.bytes, BODY - headerBytes, headerStart, headerStart + headerBytes);
      // Of IPv6 the first fragment decides what the whole is (RFC 8200 section 4.5).
      if (!v4) draft.memory.view.setUint8(BODY - IPV6_HEADER_BYTES + 6, fragment.protocol);
    }
    if (last) draft.totalBytes = end;
    if (draft.totalBytes < 0 || draft.receivedBlocks !== Math.ceil(draft.totalBytes / 8)) return;
    const headerBytes = v4 ? finishIpv4(draft) : finishIpv6(draft);
    this.whole(fragment, draft.memory, BODY - headerBytes, BODY + draft.totalBytes);
    this.#end(key, draft);
  }

  close(): void {
    this.#timer.clear();
    this.#drafts.clear();
  }

  #begin(key: string): Draft {
    if (this.#drafts.size >= MAX_PACKETS) {
      const [oldest] = this.#drafts;
      if (oldest !== undefined) this.#end(...oldest);
    }
    const draft: Draft = {
      memory: this.#spare.pop() ?? allocatePinned(BODY + MAX_LENGTH + 1),
      seen: new Uint8Array(Math.ceil(MAX_LENGTH / 8)),
      receivedBlocks: 0,
      totalBytes: -1,
      endBytes: 0,
      spoilt: false,
      sinceMs: this.reactor.nowMs,
    };
    this.#drafts.set(key, draft);
    if (!this.#timer.pending) this.#timer.set(draft.sinceMs + DEADLINE_MS);
    return draft;
  }

  #end(key: string, draft: Draft): void {
    this.#drafts.delete(key);
    if (this.#spare.length < 2) this.#spare.push(draft.memory);
  }

  #expire(): void {
    for (const [key, draft] of this.#drafts) {
      const dueMs = draft.sinceMs + DEADLINE_MS;
      if (dueMs > this.reactor.nowMs) {
        this.#timer.set(dueMs);
        return;
      }
      this.#end(key, draft);
    }
  }
}

/** RFC 791 section 2.3 and RFC 8200 section 4.5: of IPv6 the protocol is no part of it. */
function keyOf({ source, destination, protocol }: IpPacket, identification: number): string {
  if (isV4(source)) return `${source.w3},${destination.w3},${protocol},${identification}`;
  const words = [source, destination].map(({ w0, w1, w2, w3 }) => `${w0},${w1},${w2},${w3}`);
  return `${words.join()},${identification}`;
}

/** Makes the header of the first fragment that of the whole: no options, no fragment, its own length. Answers its size. */
function finishIpv4({ memory: { view }, totalBytes }: Draft): number {
  const start = BODY - IPV4_HEADER_BYTES;
  view.setUint8(start, 0x45);
  view.setUint16(start + 2, IPV4_HEADER_BYTES + totalBytes);
  view.setUint16(start + 6, 0);
  view.setUint16(start + 10, 0);
  view.setUint16(start + 10, finish(sumBytes(view, start, BODY)));
  return IPV4_HEADER_BYTES;
}

function finishIpv6({ memory: { view }, totalBytes }: Draft): number {
  view.setUint16(BODY - IPV6_HEADER_BYTES + 4, totalBytes);
  return IPV6_HEADER_BYTES;
}

/** The wire has doubled a fragment: neither news nor an overlap (RFC 8200 section 4.5). */
function isCopy(
  { memory, seen, totalBytes, endBytes }: Draft,
  fragment: IpPacket,
  offset: number,
  last: boolean,
): boolean {
  const { buffer, start, end } = fragment;
  const isKnown = last ? totalBytes === offset + end - start : offset + end - start <= endBytes;
  const at = BODY + offset;
  return (
    isKnown &&
    !seen.subarray(offset / 8, offset / 8 + Math.ceil((end - start) / 8)).includes(0) &&
    memory.bytes.compare(buffer.bytes, start, end, at, at + end - start) === 0
  );
}
