/*
 * A DNS message, RFC 1035 section 4.1. All numbers are big endian.
 *
 *    0  id        2  flags
 *    4  QDCOUNT   6  ANCOUNT   8  NSCOUNT   10  ARCOUNT
 *   12  questions: name, QTYPE u16, QCLASS u16
 *    …  records of the other three sections: name, TYPE u16, CLASS u16, TTL u32, RDLENGTH u16, RDATA
 *
 * An OPT record (RFC 6891 section 6.1.2) has the root as its name, the sender's UDP size as CLASS, and as TTL the upper
 * eight bits of the response code, a version and the DO bit (0x8000).
 */

export const HEADER_BYTES = 12;
export const OPT_BYTES = 11;
/** What a UDP message holds when its receiver says nothing of EDNS. */
export const PLAIN_UDP_BYTES = 512;
export const MAX_MESSAGE_BYTES = 65_535;

export const FLAG_QR = 0x8000;
export const OPCODE_MASK = 0x7800;
export const FLAG_AA = 0x0400;
export const FLAG_TC = 0x0200;
export const FLAG_RD = 0x0100;
export const FLAG_RA = 0x0080;
export const FLAG_AD = 0x0020;
export const FLAG_CD = 0x0010;
export const RCODE_MASK = 0x000f;
export const EDNS_DO = 0x8000;

export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;
/** Needs an OPT record: its upper eight bits (1) are there. */
export const BADVERS = 16;

export const TYPE_A = 1;
export const TYPE_SOA = 6;
export const TYPE_PTR = 12;
export const TYPE_AAAA = 28;
export const TYPE_OPT = 41;
export const TYPE_IXFR = 251;
export const TYPE_AXFR = 252;
export const TYPE_ANY = 255;
export const CLASS_IN = 1;
export const CLASS_ANY = 255;

const MAX_NAME_BYTES = 255;
const RECORD_FIXED_BYTES = 10;

/** Where the parts of a record lie. */
export interface RecordPlace {
  readonly start: number;
  readonly type: number;
  /** Offset of CLASS; TTL is 2 behind it, RDLENGTH 6. */
  readonly classAt: number;
  readonly dataAt: number;
  readonly end: number;
}

/** The offset behind a name without compression, undefined when it is none (RFC 1035 section 3.1). */
export function skipPlainName(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at < bytes.length; ) {
    const length = bytes[at] ?? 0;
    if (length > 63) return undefined;
    at += 1 + length;
    if (at - start > MAX_NAME_BYTES || at > bytes.length) return undefined;
    if (length === 0) return at;
  }
  return undefined;
}

/** The same where a pointer may end the name. It is not followed: nothing here needs to know what it points at. */
export function skipName(bytes: Buffer, start: number): number | undefined {
  for (let at = start; at < bytes.length; ) {
    const length = bytes[at] ?? 0;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
    if (at - start > MAX_NAME_BYTES) return undefined;
    if (length === 0) return at;
  }
  return undefined;
}

/** The record at an offset, undefined when it does not lie in the message as a whole. */
export function readRecord(bytes: Buffer, start: number): RecordPlace | undefined {
  const classAt = (skipName(bytes, start) ?? bytes.length) + 2;
  const dataAt = classAt - 2 + RECORD_FIXED_BYTES;
  if (dataAt > bytes.length) return undefined;
  const end = dataAt + bytes.readUInt16BE(dataAt - 2);
  return end > bytes.length ? undefined : { start, type: bytes.readUInt16BE(classAt - 2), classAt, dataAt, end };
}

const folded = Buffer.alloc(MAX_NAME_BYTES);

/**
 * A name without compression as a string of its bytes with A–Z in lower case (RFC 4343), the form in which names are
 * compared and looked up here. Lengths of labels are below 64 and so not touched.
 */
export function foldName(bytes: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    folded[at - start] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return folded.toString('latin1', 0, end - start);
}

/** Writes an OPT record of version 0 without options; answers the offset behind it. */
export function writeOpt(bytes: Buffer, at: number, udpBytes: number, extendedRcode: number, flags: number): number {
  bytes[at] = 0;
  bytes.writeUInt16BE(TYPE_OPT, at + 1);
  bytes.writeUInt16BE(udpBytes, at + 3);
  bytes.writeUInt32BE(((extendedRcode << 24) | flags) >>> 0, at + 5);
  bytes.writeUInt16BE(0, at + 9);
  return at + OPT_BYTES;
}
