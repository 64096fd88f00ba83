export const PCAP_HEADER_BYTES = 24;
export const PCAP_RECORD_HEADER_BYTES = 16;

/** As libpcap limits it (MAXIMUM_SNAPLEN in pcap-int.h): readers refuse records that are longer. */
export const MAX_SNAP_LENGTH = 262_144;

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;

/**
 * The head of a capture file, little endian (libpcap's savefile format, pcap-savefile(5)).
 *
 *    0  4  magic a1b2c3d4: times in microseconds
 *    4  2  major version 2            6  2  minor version 4
 *    8  4  offset of the time zone   12  4  accuracy of the times; both 0
 *   16  4  most bytes kept of a frame
 *   20  4  link type: 1 Ethernet
 */
export function encodePcapHeader(snapLength: number): Uint8Array {
  const bytes = new Uint8Array(PCAP_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_MICROSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snapLength, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  return bytes;
}

/**
 * What precedes each frame.
 *
 *    0  4  seconds since 1970         4  4  microseconds
 *    8  4  bytes kept                12  4  bytes that the frame had
 *
 * @param timeMs since 1970; the fraction becomes microseconds.
 */
export function encodeRecordHeader(target: DataView, timeMs: number, kept: number, original: number): void {
  const seconds = Math.floor(timeMs / 1000);
  target.setUint32(0, seconds, true);
  target.setUint32(4, Math.min(999_999, Math.floor((timeMs - seconds * 1000) * 1000)), true);
  target.setUint32(8, kept, true);
  target.setUint32(12, original, true);
}
