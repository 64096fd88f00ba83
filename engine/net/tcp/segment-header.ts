// TCP header, RFC 9293 section 3.1: 0 u16 source port, 2 u16 destination port, 4 u32 sequence, 8 u32 acknowledgment,
// 12 u8 header words << 4, 13 u8 flags, 14 u16 window, 16 u16 checksum, 18 u16 urgent, 20 options.
export const TCP_HEADER_BYTES = 20;
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

/** What a SYN may carry: RFC 9293 section 3.7.1 (kind 2), RFC 7323 section 2.2 (kind 3), RFC 2018 section 2 (kind 4). */
export interface SynOptions {
  readonly mss: number;
  /** -1: the peer does not scale windows. */
  readonly windowScale: number;
  /** Whether the peer understands selective acknowledgments. */
  readonly sack: boolean;
}

/** RFC 9293 section 3.7.1 for IPv4; what a peer takes that says nothing. */
const DEFAULT_MSS = 536;
const MAX_WINDOW_SCALE = 14;

/** Reads the options between `start` and `end`; malformed ones end the list. */
export function readSynOptions(view: DataView, start: number, end: number): SynOptions {
  let mss = DEFAULT_MSS;
  let windowScale = -1;
  let sack = false;
  let offset = start;
  while (offset < end) {
    const kind = view.getUint8(offset);
    if (kind === 0) break;
    if (kind === 1) {
      offset++;
      continue;
    }
    if (offset + 2 > end) break;
    const length = view.getUint8(offset + 1);
    if (length < 2 || offset + length > end) break;
    if (kind === 2 && length === 4) mss = view.getUint16(offset + 2);
    if (kind === 3 && length === 3) windowScale = Math.min(view.getUint8(offset + 2), MAX_WINDOW_SCALE);
    if (kind === 4 && length === 2) sack = true;
    offset += length;
  }
  return { mss, windowScale, sack };
}

/** Writes an MSS and, where there is one, a window scale and SACK permitted; answers their length, a multiple of four. */
export function writeSynOptions(view: DataView, offset: number, { mss, windowScale, sack }: SynOptions): number {
  view.setUint32(offset, 0x0204_0000 | mss);
  let end = offset + 4;
  if (windowScale >= 0) {
    view.setUint32(end, 0x0103_0300 | windowScale);
    end += 4;
  }
  if (sack) {
    view.setUint32(end, 0x0101_0402);
    end += 4;
  }
  return end - offset;
}
