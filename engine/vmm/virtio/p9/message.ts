/**
 * Every 9P message (Plan 9 manual, intro(5)), numbers little-endian:
 *
 *  0 u32 size, of all of it    4 u8 type    5 u16 tag    7 …
 */
export const P9_HEADER_BYTES = 7;

/** HyperKit's: longer messages are neither sent nor taken. */
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** Linux include/net/9p/9p.h. */
export const P9 = {
  RLERROR: 7,
  TVERSION: 100,
  RVERSION: 101,
  RERROR: 107,
  TFLUSH: 108,
  RFLUSH: 109,
  TWRITE: 118,
} as const;

export const EIO = 5;
export const EINVAL = 22;

/** Of Tversion and Rversion: 7 u32 msize, 11 u16 length, 13 version. */
const MSIZE_OFFSET = 7;
const VERSION_OFFSET = 11;
/** Of Tflush: the request that is to be forgotten. */
export const OLD_TAG_OFFSET = 7;
/** Of Twrite: 7 u32 fid, 11 u64 offset, 19 u32 count, 23 data. */
const WRITE_COUNT_OFFSET = 19;
const WRITE_DATA_OFFSET = 23;

/** How errors are told. */
export type Dialect = '9P2000' | '9P2000.u' | '9P2000.L';

/** The dialect of a Tversion or Rversion; undefined: one that nobody knows, or `unknown`. */
export function dialectOf(message: Buffer): Dialect | undefined {
  if (message.length < VERSION_OFFSET + 2) return undefined;
  const end = VERSION_OFFSET + 2 + message.readUInt16LE(VERSION_OFFSET);
  const text = message.toString('latin1', VERSION_OFFSET + 2, Math.min(end, message.length));
  return text === '9P2000' || text === '9P2000.u' || text === '9P2000.L' ? text : undefined;
}

/**
 * Corrects what drivers leave to the transport, and answers the message's size. Linux before 4.18 counts the header of a
 * Twrite only, whose data it hands over in place. A Tversion may not ask for longer messages than go through here.
 * @param bytes all that the driver handed over.
 */
export function correctRequest(bytes: Buffer): number {
  const type = bytes.readUInt8(4);
  if (type === P9.TWRITE && bytes.length >= WRITE_DATA_OFFSET) {
    const size = WRITE_DATA_OFFSET + bytes.readUInt32LE(WRITE_COUNT_OFFSET);
    if (size <= bytes.length) bytes.writeUInt32LE(size);
  }
  if (type === P9.TVERSION && bytes.length >= MSIZE_OFFSET + 4) {
    bytes.writeUInt32LE(Math.min(bytes.readUInt32LE(MSIZE_OFFSET), MAX_MESSAGE_BYTES), MSIZE_OFFSET);
  }
  return bytes.readUInt32LE();
}

/** An error reply: Rlerror with the number, or Rerror with a text (and the number in 9P2000.u). */
export function errorReply(dialect: Dialect, tag: number, errno: number): Buffer {
  if (dialect === '9P2000.L') {
    const reply = Buffer.alloc(P9_HEADER_BYTES + 4);
    reply.writeUInt32LE(reply.length);
    reply.writeUInt8(P9.RLERROR, 4);
    reply.writeUInt16LE(tag, 5);
    reply.writeUInt32LE(errno, P9_HEADER_BYTES);
    return reply;
  }
  const text = errno === EINVAL ? 'Invalid argument' : 'Input/output error';
  const reply = Buffer.alloc(P9_HEADER_BYTES + 2 + text.length + (dialect === '9P2000.u' ? 4 : 0));
  reply.writeUInt32LE(reply.length);
  reply.writeUInt8(P9.RERROR, 4);
  reply.writeUInt16LE(tag, 5);
  reply.writeUInt16LE(text.length, P9_HEADER_BYTES);
  reply.write(text, P9_HEADER_BYTES + 2);
  if (dialect === '9P2000.u') reply.writeUInt32LE(errno, reply.length - 4);
  return reply;
}
