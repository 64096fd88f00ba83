import { allocatePinned, type PinnedBuffer } from '../../../native/pinned-buffer';
import type { Reactor } from '../reactor/reactor';
import type { Timer } from '../reactor/timer-heap';
import { finish, sumBytes } from '../wire/checksum';
import type { IpPacket } from './ip-packet';

const IPV4_HEADER_BYTES = 20;
const MAX_PACKET_BYTES = 65_535;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
/** Packets in pieces at once; the oldest makes room. */
const MAX_PACKETS = 16;
/** RFC 1122 section 3.3.2 asks for 60 to 120 s where packets cross the world; these cross a memory bus. */
const DEADLINE_MS = 5000;

interface Draft {
  readonly memory: PinnedBuffer;
  /** One bit for each 8 bytes of payload that came. */
  readonly seen: Uint8Array;
  receivedBlocks: number;
  /** Payload bytes of the whole packet; -1 until its last fragment came. */
  totalBytes: number;
  /** Where the last byte that came ends. */
  endBytes: number;
  readonly sinceMs: number;
}

/** Puts IPv4 fragments together (RFC 791 section 3.2, with RFC 5722's rule: fragments that overlap spoil the packet). */
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
  receive(fragment: IpPacket, identification: number, offsetAndFlags: number): void {
    const { source, destination, protocol, start, buffer } = fragment;
    const offset = (offsetAndFlags & OFFSET_MASK) * 8;
    const length = fragment.end - start;
    const last = (offsetAndFlags & MORE_FRAGMENTS) === 0;
    if (length === 0 || (!last && length % 8 !== 0) || offset + length > MAX_PACKET_BYTES - IPV4_HEADER_BYTES) return;
    const key = `${source.w3},${destination.w3},${protocol},${identification}`;
    const draft = this.#drafts.get(key) ?? this.#begin(key);
    const blocks = Math.ceil(length / 8);
    const firstBlock = offset / 8;
    if (isCopy(draft, fragment, offset, last)) return;
    const end = offset + length;
    const beyondEnd = draft.totalBytes >= 0 ? last || end > draft.totalBytes : last && draft.endBytes > end;
    if (beyondEnd || draft.seen.subarray(firstBlock, firstBlock + blocks).includes(1)) {
      this.#end(key, draft);
      return;
    }
    draft.endBytes = Math.max(draft.endBytes, end);
    draft.seen.fill(1, firstBlock, firstBlock + blocks);
    draft.receivedBlocks += blocks;
    buffer.bytes.copy(draft.memory.bytes, IPV4_HEADER_BYTES + offset, start, fragment.end);
    if (offset === 0)
      buffer.bytes.copy(draft.memory.bytes, 0, fragment.headerStart, fragment.headerStart + IPV4_HEADER_BYTES);
    if (last) draft.totalBytes = offset + length;
    if (draft.totalBytes < 0 || draft.receivedBlocks !== Math.ceil(draft.totalBytes / 8)) return;
    this.#finish(fragment, draft);
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
      memory: this.#spare.pop() ?? allocatePinned(MAX_PACKET_BYTES + 1),
      seen: new Uint8Array(MAX_PACKET_BYTES / 8 + 1),
      receivedBlocks: 0,
      totalBytes: -1,
      endBytes: 0,
      sinceMs: this.reactor.nowMs,
    };
    this.#drafts.set(key, draft);
    if (!this.#timer.pending) this.#timer.set(draft.sinceMs + DEADLINE_MS);
    return draft;
  }

  /** The header of the first fragment, made that of the whole: no options, no fragment, its own length. */
  #finish(fragment: IpPacket, { memory, totalBytes }: Draft): void {
    const { view } = memory;
    view.setUint8(0, 0x45);
    view.setUint16(2, IPV4_HEADER_BYTES + totalBytes);
    view.setUint16(6, 0);
    view.setUint16(10, 0);
    view.setUint16(10, finish(sumBytes(view, 0, IPV4_HEADER_BYTES)));
    this.whole(fragment, memory, 0, IPV4_HEADER_BYTES + totalBytes);
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

/** The wire has doubled a fragment: neither news nor an overlap (RFC 8200 section 4.5). */
function isCopy(
  { memory, seen, totalBytes, endBytes }: Draft,
  fragment: IpPacket,
  offset: number,
  last: boolean,
): boolean {
  const { buffer, start, end } = fragment;
  const isKnown = last ? totalBytes === offset + end - start : offset + end - start <= endBytes;
  const at = IPV4_HEADER_BYTES + offset;
  return (
    isKnown &&
    !seen.subarray(offset / 8, offset / 8 + Math.ceil((end - start) / 8)).includes(0) &&
    memory.bytes.compare(buffer.bytes, start, end, at, at + end - start) === 0
  );
}
