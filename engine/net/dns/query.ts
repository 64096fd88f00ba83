import {
  BADVERS,
  EDNS_DO,
  FLAG_AD,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  FORMERR,
  foldName,
  HEADER_BYTES,
  NOTIMP,
  OPCODE_MASK,
  OPT_BYTES,
  PLAIN_UDP_BYTES,
  REFUSED,
  readRecord,
  skipPlainName,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_OPT,
  writeOpt,
} from './wire';

/** A query with cookies and padding is far below; what is longer is no question of a resolver. */
export const MAX_QUERY_BYTES = 4096;

/** What we can take from a server by UDP without fragments (the limit that resolvers agreed on in 2020). */
const OUR_UDP_BYTES = 1232;

/** What a guest says of itself in an OPT record. */
export interface Edns {
  readonly udpBytes: number;
  readonly dnssecOk: boolean;
}

/** A question of a guest. Holds no bytes of the message that it came in. */
export interface Query {
  readonly id: number;
  readonly flags: number;
  /** The question section as it was asked. */
  readonly question: Buffer;
  /** The name asked for, folded. */
  readonly name: string;
  /** Name, type and class: equal for equal questions. */
  readonly key: string;
  readonly type: number;
  readonly class: number;
  readonly edns: Edns | undefined;
}

/** A message of a guest: a query, one that gets an error, or nothing to answer. */
export type Reading =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'fault'; readonly id: number; readonly flags: number; readonly rcode: number }
  | { readonly kind: 'ignored' };

const IGNORED: Reading = { kind: 'ignored' };

/** Reads what a guest sent. Never throws; what is too short to hold an id, and answers, are ignored. */
export function readQuery(bytes: Buffer): Reading {
  if (bytes.length < HEADER_BYTES) return IGNORED;
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  if (flags & FLAG_QR) return IGNORED;
  const fault = (rcode: number): Reading => ({ kind: 'fault', id, flags, rcode });
  if (flags & OPCODE_MASK) return fault(NOTIMP);
  if (bytes.length > MAX_QUERY_BYTES || bytes.readUInt16BE(4) !== 1) return fault(FORMERR);

  const nameEnd = skipPlainName(bytes, HEADER_BYTES);
  if (nameEnd === undefined || nameEnd + 4 > bytes.length) return fault(FORMERR);
  const edns = readEdns(bytes, nameEnd + 4);
  if (typeof edns === 'number') return fault(edns);
  const type = bytes.readUInt16BE(nameEnd);
  if (type === TYPE_OPT) return fault(FORMERR);
  // A transfer is many messages, and of use to servers only.
  if (type === TYPE_AXFR || type === TYPE_IXFR) return fault(REFUSED);

  const name = foldName(bytes, HEADER_BYTES, nameEnd);
  const query: Query = {
    id,
    flags,
    question: Buffer.from(bytes.subarray(HEADER_BYTES, nameEnd + 4)),
    name,
    key: name + bytes.toString('latin1', nameEnd, nameEnd + 4),
    type,
    class: bytes.readUInt16BE(nameEnd + 2),
    edns,
  };
  return { kind: 'query', query };
}

/** The OPT record behind the question, or the response code of what is wrong with the records there. */
function readEdns(bytes: Buffer, start: number): Edns | undefined | number {
  const leading = bytes.readUInt16BE(6) + bytes.readUInt16BE(8);
  const count = leading + bytes.readUInt16BE(10);
  let edns: Edns | undefined;
  let at = start;
  for (let index = 0; index < count; index++) {
    const record = readRecord(bytes, at);
    if (!record) return FORMERR;
    at = record.end;
    if (record.type !== TYPE_OPT) continue;
    // One OPT record, with the root as its name, in the additional section: RFC 6891 section 6.1.1.
    if (edns || index < leading || bytes[record.start] !== 0) return FORMERR;
    if (bytes[record.classAt + 3] !== 0) return BADVERS;
    edns = {
      udpBytes: Math.max(PLAIN_UDP_BYTES, bytes.readUInt16BE(record.classAt)),
      dnssecOk: (bytes.readUInt16BE(record.classAt + 4) & EDNS_DO) !== 0,
    };
  }
  return at === bytes.length ? edns : FORMERR;
}

/**
 * The same question for a server: the bits that change its meaning, the question's own bytes, and an OPT record of ours
 * when the guest has one (OPT belongs to one hop and must not be forwarded: RFC 6891 section 6.1.1).
 */
export function encodeRequest(query: Query, id: number, withEdns: boolean): Buffer {
  const end = HEADER_BYTES + query.question.length;
  const bytes = Buffer.alloc(withEdns ? end + OPT_BYTES : end);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(query.flags & (FLAG_RD | FLAG_AD | FLAG_CD), 2);
  bytes.writeUInt16BE(1, 4);
  query.question.copy(bytes, HEADER_BYTES);
  if (withEdns) {
    bytes.writeUInt16BE(1, 10);
    writeOpt(bytes, end, OUR_UDP_BYTES, 0, query.edns?.dnssecOk ? EDNS_DO : 0);
  }
  return bytes;
}

/** Whether a server's answer by UDP may have been cut below what the guest can take. */
export function wantsWholeAnswer(query: Query, transport: 'udp' | 'tcp'): boolean {
  return transport === 'tcp' || (query.edns !== undefined && query.edns.udpBytes > OUR_UDP_BYTES);
}
