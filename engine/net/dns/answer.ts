import { MAX_QUERY_BYTES, type Query } from './query';
import {
  EDNS_DO,
  FLAG_AA,
  FLAG_AD,
  FLAG_CD,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  foldName,
  HEADER_BYTES,
  NOERROR,
  NXDOMAIN,
  OPCODE_MASK,
  OPT_BYTES,
  RCODE_MASK,
  readRecord,
  SERVFAIL,
  skipPlainName,
  TYPE_OPT,
  TYPE_SOA,
  writeOpt,
} from './wire';

const MAX_TTL_S = 24 * 60 * 60;
/** RFC 2308 section 5 lets a resolver choose; a name that was just made should not be missing for long. */
const MAX_NEGATIVE_TTL_S = 15 * 60;
/** The fixed numbers of an SOA record and two root names. */
const MIN_SOA_BYTES = 22;

/** An answer to a question, whoever asks: without the id and the OPT record that belong to one guest. */
export interface Answer {
  /** Header, one question, records. */
  readonly message: Buffer;
  readonly rcode: number;
  readonly truncated: boolean;
  /** How long it holds; 0 for what is not to be kept. */
  readonly lifetimeS: number;
  /** Where the TTLs lie. */
  readonly ttlOffsets: readonly number[];
}

/** What a server sent: the answer, and whether the server knows EDNS. */
export interface ServerAnswer {
  readonly answer: Answer;
  readonly hasOpt: boolean;
}

/** Reads a server's answer; undefined when it is malformed, or does not belong to this question and id. */
export function readAnswer(bytes: Buffer, id: number, query: Query): ServerAnswer | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== id) return undefined;
  const flags = bytes.readUInt16BE(2);
  if (!(flags & FLAG_QR) || flags & OPCODE_MASK) return undefined;
  const rcode = flags & RCODE_MASK;
  // Servers that could not read the question do not repeat it.
  if (bytes.readUInt16BE(4) === 0) {
    const isFault = rcode !== NOERROR && rcode !== NXDOMAIN;
    return isFault ? { answer: createAnswer(query, rcode), hasOpt: false } : undefined;
  }
  const questionEnd = HEADER_BYTES + query.question.length;
  if (bytes.readUInt16BE(4) !== 1 || skipPlainName(bytes, HEADER_BYTES) !== questionEnd - 4) return undefined;
  const asked = foldName(bytes, HEADER_BYTES, questionEnd - 4);
  if (questionEnd > bytes.length || asked + bytes.toString('latin1', questionEnd - 4, questionEnd) !== query.key) {
    return undefined;
  }
  return readRecords(bytes, questionEnd, query);
}

function readRecords(bytes: Buffer, questionEnd: number, query: Query): ServerAnswer | undefined {
  const flags = bytes.readUInt16BE(2);
  const answers = bytes.readUInt16BE(6);
  const authorities = bytes.readUInt16BE(8);
  const count = answers + authorities + bytes.readUInt16BE(10);
  const ttlOffsets: number[] = [];
  let lowestTtl = MAX_TTL_S;
  let hasSoa = false;
  let hasOpt = false;
  let additionals = 0;
  let end = questionEnd;
  for (let index = 0; index < count; index++) {
    const record = readRecord(bytes, end);
    if (!record) return undefined;
    if (record.type === TYPE_OPT) {
      if (index < answers + authorities) return undefined;
      // Extended response codes speak of our own OPT record, not of the guest's question.
      if (bytes[record.classAt + 2] !== 0) return { answer: createAnswer(query, SERVFAIL), hasOpt: true };
      hasOpt = true;
      break;
    }
    ttlOffsets.push(record.classAt + 2);
    lowestTtl = Math.min(lowestTtl, readTtl(bytes, record.classAt + 2));
    if (record.type === TYPE_SOA && index >= answers && record.end - record.dataAt >= MIN_SOA_BYTES) {
      hasSoa = true;
      lowestTtl = Math.min(lowestTtl, readTtl(bytes, record.end - 4));
    }
    if (index >= answers + authorities) additionals++;
    end = record.end;
  }
  // Not of a pool: a kept answer would hold the whole slab.
  const message = Buffer.allocUnsafeSlow(end);
  bytes.copy(message, 0, 0, end);
  const rcode = flags & RCODE_MASK;
  message.writeUInt16BE((flags & FLAG_AD) | rcode, 2);
  message.writeUInt16BE(additionals, 10);
  const truncated = (flags & FLAG_TC) !== 0;
  const lifetimeS = truncated ? 0 : lifetime(rcode, answers, hasSoa, lowestTtl);
  return { answer: { message, rcode, truncated, lifetimeS, ttlOffsets }, hasOpt };
}

function lifetime(rcode: number, answers: number, hasSoa: boolean, lowestTtl: number): number {
  if (rcode === NOERROR && answers > 0) return lowestTtl;
  // RFC 2308 section 5: without the zone's SOA nobody knows how long something is not there.
  return (rcode === NOERROR || rcode === NXDOMAIN) && hasSoa ? Math.min(lowestTtl, MAX_NEGATIVE_TTL_S) : 0;
}

/** RFC 2181 section 8: with the highest bit set it is zero. */
function readTtl(bytes: Buffer, at: number): number {
  const ttl = bytes.readUInt32BE(at);
  return ttl > 0x7fffffff ? 0 : ttl;
}

/** An answer of our own. `records` are encoded records of the answer section. */
export function createAnswer(query: Query, rcode: number, records: readonly Buffer[] = []): Answer {
  const header = Buffer.alloc(HEADER_BYTES);
  const isOurs = rcode === NOERROR || rcode === NXDOMAIN;
  header.writeUInt16BE(isOurs ? FLAG_AA | rcode : rcode, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const message = Buffer.concat([header, query.question, ...records]);
  return { message, rcode, truncated: false, lifetimeS: 0, ttlOffsets: [] };
}

/** The most that a reply to this query may have. */
export interface ReplyOptions {
  readonly maxBytes: number;
  /** How long ago the answer was given: its TTLs are that much lower by now. */
  readonly ageS?: number;
}

/**
 * The message for the guest who asked: its id and question as it wrote it, TTLs aged, an OPT record if it has one, and
 * not more than `maxBytes`: records that don't fit are left out, and TC says so unless they were additional only
 * (RFC 2181 section 9).
 */
export function encodeReply(query: Query, answer: Answer, { maxBytes, ageS = 0 }: ReplyOptions): Buffer {
  const optBytes = query.edns ? OPT_BYTES : 0;
  const source = answer.message;
  const cut = source.length + optBytes > maxBytes ? cutRecords(query, source, maxBytes - optBytes) : undefined;
  const end = cut?.end ?? source.length;
  const bytes = Buffer.allocUnsafe(end + optBytes);
  source.copy(bytes, 0, 0, end);

  bytes.writeUInt16BE(query.id, 0);
  const isTruncated = answer.truncated || cut?.isTruncated;
  const understandsAd = query.flags & FLAG_AD || query.edns?.dnssecOk;
  const kept = FLAG_AA | (understandsAd ? FLAG_AD : 0) | RCODE_MASK;
  const flags = (bytes.readUInt16BE(2) & kept) | (query.flags & (FLAG_RD | FLAG_CD)) | FLAG_QR | FLAG_RA;
  bytes.writeUInt16BE(isTruncated ? flags | FLAG_TC : flags, 2);
  query.question.copy(bytes, HEADER_BYTES);
  if (cut) for (const [index, count] of cut.counts.entries()) bytes.writeUInt16BE(count, 6 + 2 * index);
  if (ageS > 0) {
    for (const at of answer.ttlOffsets) {
      if (at < end) bytes.writeUInt32BE(Math.max(0, readTtl(bytes, at) - ageS), at);
    }
  }
  if (query.edns) {
    bytes.writeUInt16BE(bytes.readUInt16BE(10) + 1, 10);
    writeOpt(bytes, end, MAX_QUERY_BYTES, 0, query.edns.dnssecOk ? EDNS_DO : 0);
  }
  return bytes;
}

interface Cut {
  readonly end: number;
  /** Records left of answer, authority and additional section. */
  readonly counts: readonly number[];
  readonly isTruncated: boolean;
}

function cutRecords(query: Query, message: Buffer, maxBytes: number): Cut {
  const counts = [0, 0, 0];
  let end = HEADER_BYTES + query.question.length;
  for (let section = 0; section < counts.length; section++) {
    const count = message.readUInt16BE(6 + 2 * section);
    for (let index = 0; index < count; index++) {
      const next = readRecord(message, end)?.end ?? Number.POSITIVE_INFINITY;
      if (next > maxBytes) return { end, counts, isTruncated: section < 2 };
      end = next;
      counts[section] = index + 1;
    }
  }
  return { end, counts, isTruncated: false };
}

/** An error in twelve bytes, for messages whose question could not be read; BADVERS and its like come with an OPT record. */
export function encodeFault(id: number, flags: number, rcode: number): Buffer {
  const isExtended = rcode > RCODE_MASK;
  const bytes = Buffer.alloc(isExtended ? HEADER_BYTES + OPT_BYTES : HEADER_BYTES);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(FLAG_QR | FLAG_RA | (flags & (OPCODE_MASK | FLAG_RD)) | (rcode & RCODE_MASK), 2);
  if (isExtended) {
    bytes.writeUInt16BE(1, 10);
    writeOpt(bytes, HEADER_BYTES, MAX_QUERY_BYTES, rcode >> 4, 0);
  }
  return bytes;
}
