// 9P2000 messages, Plan 9 manual section 5 (intro, attach, clunk, error, flush, open, read, remove, stat, version, walk).
// All integers little endian; a string is u16 length + UTF-8; a qid is 13 bytes: type u8, version u32, path u64.
import { NinePError } from './nine-p-error';

/** size u32 (of all of the message), type u8, tag u16. */
export const HEADER_BYTES = 7;
/** What iounit leaves of a message for everything but the data (IOHDRSZ). */
export const IO_HEADER_BYTES = 24;
/** size, type, tag and count of Rread. */
export const RREAD_HEADER_BYTES = HEADER_BYTES + 4;
export const NOTAG = 0xffff;
export const NOFID = 0xffffffff;
export const MAX_WALK_NAMES = 16;

export const QTDIR = 0x80;
export const QTFILE = 0x00;
export const DMDIR = 0x80000000;

export const OREAD = 0;
export const OWRITE = 1;
export const ORDWR = 2;
export const OEXEC = 3;
export const ORCLOSE = 0x40;

export const TYPES = {
  Tversion: 100,
  Rversion: 101,
  Tauth: 102,
  Tattach: 104,
  Rattach: 105,
  Rerror: 107,
  Tflush: 108,
  Rflush: 109,
  Twalk: 110,
  Rwalk: 111,
  Topen: 112,
  Ropen: 113,
  Tcreate: 114,
  Rcreate: 115,
  Tread: 116,
  Rread: 117,
  Twrite: 118,
  Rwrite: 119,
  Tclunk: 120,
  Rclunk: 121,
  Tremove: 122,
  Rremove: 123,
  Tstat: 124,
  Rstat: 125,
  Twstat: 126,
} as const;

export interface Qid {
  readonly type: number;
  readonly version: number;
  /** Unique in the tree, for its life. */
  readonly path: number;
}

/** A directory entry (stat(5)). Types and devices of Plan 9's kernel are 0. */
export interface Stat {
  readonly qid: Qid;
  /** Permissions, and DMDIR for a directory. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly lengthBytes: number;
  readonly name: string;
  readonly owner: string;
}

export type Request =
  | { readonly type: 'version'; readonly msize: number; readonly version: string }
  | { readonly type: 'auth' }
  | { readonly type: 'attach'; readonly fid: number; readonly afid: number }
  | { readonly type: 'flush'; readonly oldTag: number }
  | { readonly type: 'walk'; readonly fid: number; readonly newFid: number; readonly names: readonly string[] }
  | { readonly type: 'open'; readonly fid: number; readonly mode: number }
  | { readonly type: 'create'; readonly fid: number; readonly name: string; readonly perm: number }
  | { readonly type: 'read'; readonly fid: number; readonly offset: number; readonly count: number }
  | { readonly type: 'write'; readonly fid: number; readonly offset: number; readonly data: Buffer }
  | { readonly type: 'clunk' | 'remove' | 'stat' | 'wstat'; readonly fid: number };

export type Reply =
  | { readonly type: 'version'; readonly msize: number; readonly version: string }
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'attach'; readonly qid: Qid }
  | { readonly type: 'walk'; readonly qids: readonly Qid[] }
  | { readonly type: 'open' | 'create'; readonly qid: Qid; readonly ioUnit: number }
  | { readonly type: 'read'; readonly data: Uint8Array }
  | { readonly type: 'write'; readonly count: number }
  | { readonly type: 'stat'; readonly stat: Stat }
  | { readonly type: 'flush' | 'clunk' | 'remove' };

/**
 * Decodes one message of a client, header included. What follows the last field is ignored.
 * @throws NinePError when it is none.
 */
export function decodeRequest(message: Buffer): Request {
  const fields = new FieldReader(message);
  switch (message[4]) {
    case TYPES.Tversion:
      return { type: 'version', msize: fields.u32(), version: fields.text() };
    case TYPES.Tauth:
      return { type: 'auth' };
    case TYPES.Tattach:
      return { type: 'attach', fid: fields.u32(), afid: fields.u32() };
    case TYPES.Tflush:
      return { type: 'flush', oldTag: fields.u16() };
    case TYPES.Twalk:
      return { type: 'walk', fid: fields.u32(), newFid: fields.u32(), names: fields.names() };
    case TYPES.Topen:
      return { type: 'open', fid: fields.u32(), mode: fields.u8() };
    case TYPES.Tcreate:
      return { type: 'create', fid: fields.u32(), name: fields.text(), perm: fields.u32() };
    case TYPES.Tread:
      return { type: 'read', fid: fields.u32(), offset: fields.u64(), count: fields.u32() };
    case TYPES.Twrite:
      return { type: 'write', fid: fields.u32(), offset: fields.u64(), data: fields.data() };
    case TYPES.Tclunk:
      return { type: 'clunk', fid: fields.u32() };
    case TYPES.Tremove:
      return { type: 'remove', fid: fields.u32() };
    case TYPES.Tstat:
      return { type: 'stat', fid: fields.u32() };
    case TYPES.Twstat:
      return { type: 'wstat', fid: fields.u32() };
    default:
      throw new NinePError('unknown message type');
  }
}

/** Encodes one message to a client. */
export function encodeReply(tag: number, reply: Reply): Buffer {
  switch (reply.type) {
    case 'version':
      return message(TYPES.Rversion, tag, u32(reply.msize), text(reply.version));
    case 'error':
      return message(TYPES.Rerror, tag, text(reply.message));
    case 'attach':
      return message(TYPES.Rattach, tag, qid(reply.qid));
    case 'flush':
      return message(TYPES.Rflush, tag);
    case 'walk':
      return message(TYPES.Rwalk, tag, u16(reply.qids.length), ...reply.qids.map(qid));
    case 'open':
      return message(TYPES.Ropen, tag, qid(reply.qid), u32(reply.ioUnit));
    case 'create':
      return message(TYPES.Rcreate, tag, qid(reply.qid), u32(reply.ioUnit));
    case 'read':
      return message(TYPES.Rread, tag, u32(reply.data.length), reply.data);
    case 'write':
      return message(TYPES.Rwrite, tag, u32(reply.count));
    case 'clunk':
      return message(TYPES.Rclunk, tag);
    case 'remove':
      return message(TYPES.Rremove, tag);
    case 'stat': {
      const stat = encodeStat(reply.stat);
      return message(TYPES.Rstat, tag, u16(stat.length), stat);
    }
  }
}

/**
 * A directory entry as Rstat and the reading of directories carry it:
 * size u16 (of what follows), type u16, dev u32, qid, mode u32, atime u32, mtime u32, length u64, name, uid, gid, muid.
 */
export function encodeStat(stat: Stat): Buffer {
  const owner = text(stat.owner);
  const body = Buffer.concat([
    u16(0),
    u32(0),
    qid(stat.qid),
    u32(stat.mode),
    u32(stat.time),
    u32(stat.time),
    u64(stat.lengthBytes),
    text(stat.name),
    owner,
    owner,
    owner,
  ]);
  return Buffer.concat([u16(body.length), body]);
}

/** Takes fields out of a message in order; each must lie within it. */
class FieldReader {
  #at = HEADER_BYTES;

  constructor(private readonly bytes: Buffer) {}

  u8(): number {
    return this.bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  /** Exact up to 2^53, beyond which there are no files here. */
  u64(): number {
    const at = this.#take(8);
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * 2 ** 32;
  }

  text(): string {
    const length = this.u16();
    const at = this.#take(length);
    try {
      return UTF8.decode(this.bytes.subarray(at, at + length));
    } catch {
      throw new NinePError('malformed message: text that is not UTF-8');
    }
  }

  names(): readonly string[] {
    const count = this.u16();
    if (count > MAX_WALK_NAMES) throw new NinePError('malformed message: too many names in walk');
    return Array.from({ length: count }, () => this.text());
  }

  data(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** Where the next `length` bytes begin. */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.bytes.length - at) throw new NinePError('malformed message: it ends early');
    this.#at = at + length;
    return at;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function message(type: number, tag: number, ...fields: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(
    fields.reduce((sum, field) => sum + field.length, HEADER_BYTES),
    0,
  );
  header.writeUInt8(type, 4);
  header.writeUInt16LE(tag, 5);
  return Buffer.concat([header, ...fields]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  return Buffer.concat([u32(value % 2 ** 32), u32(Math.floor(value / 2 ** 32))]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8').subarray(0, 0xffff);
  return Buffer.concat([u16(bytes.length), bytes]);
}

function qid({ type, version, path }: Qid): Buffer {
  return Buffer.concat([Buffer.of(type), u32(version), u64(path)]);
}
