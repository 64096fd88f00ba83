import { BOOTREPLY, BOOTREQUEST, type DhcpMessage, OPTION } from './message';

/*
 * RFC 2131 section 2, figure 1:
 *
 *     0  1  op: 1 request, 2 reply            16  4  yiaddr: the client's address, as the server says
 *     1  1  htype: 1 Ethernet                 20  4  siaddr: the next server
 *     2  1  hlen                              24  4  giaddr: the relay
 *     3  1  hops                              28  16 chaddr, hlen bytes of it
 *     4  4  xid                               44  64 sname, or options
 *     8  2  secs                             108 128 file, or options
 *    10  2  flags: 0x8000 broadcast          236  4  magic cookie 63 82 53 63
 *    12  4  ciaddr: the client's, as it says 240  …  options: code, length, data
 */
const CHADDR = 28;
const CHADDR_BYTES = 16;
const SNAME = 44;
const SNAME_BYTES = 64;
const FILE = 108;
const FILE_BYTES = 128;
const COOKIE = 236;
const OPTIONS = 240;
const MAGIC_COOKIE = 0x6382_5363;
const FLAG_BROADCAST = 0x8000;

/** RFC 2132 section 9.3: which of the fields hold options. */
const OVERLOAD_FILE = 1;
const OVERLOAD_SNAME = 2;
const OVERLOAD_OPTION_BYTES = 3;
const MAX_PIECE_BYTES = 255;

/** RFC 1542 section 2.1: relays and old clients drop BOOTP messages that are shorter. */
const MIN_MESSAGE_BYTES = 300;

/** RFC 2131 section 2: a client takes datagrams of 576 bytes, of which 28 are the headers of IP and UDP. */
export const DEFAULT_MESSAGE_BYTES = 548;

/** Reads the payload of a datagram. A text says what is wrong with it. */
export function decodeDhcp(bytes: Uint8Array): DhcpMessage | string {
  if (bytes.length < OPTIONS) return `a message of ${bytes.length} bytes`;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const op = buffer[0];
  if (op !== BOOTREQUEST && op !== BOOTREPLY) return `an op of ${op}`;
  const hlen = buffer[2]!;
  if (hlen > CHADDR_BYTES) return `a hardware address of ${hlen} bytes`;
  if (buffer.readUInt32BE(COOKIE) !== MAGIC_COOKIE) return 'no magic cookie: BOOTP, or something else';

  const sname = buffer.subarray(SNAME, SNAME + SNAME_BYTES);
  const file = buffer.subarray(FILE, FILE + FILE_BYTES);
  const pieces = new Map<number, Buffer[]>();
  let fault = collectOptions(buffer.subarray(OPTIONS), pieces);
  const overload = Buffer.concat(pieces.get(OPTION.overload) ?? []);
  if (overload.length > 1 || (overload[0] ?? 0) > (OVERLOAD_FILE | OVERLOAD_SNAME))
    return 'an overload it has no field for';
  const overloaded = overload[0] ?? 0;
  if ((overloaded & OVERLOAD_FILE) !== 0) fault ??= collectOptions(file, pieces);
  if ((overloaded & OVERLOAD_SNAME) !== 0) fault ??= collectOptions(sname, pieces);
  if (fault !== undefined) return fault;
  pieces.delete(OPTION.overload);

  return {
    op,
    htype: buffer[1]!,
    hops: buffer[3]!,
    xid: buffer.readUInt32BE(4),
    secs: buffer.readUInt16BE(8),
    broadcast: (buffer.readUInt16BE(10) & FLAG_BROADCAST) !== 0,
    ciaddr: buffer.readUInt32BE(12),
    yiaddr: buffer.readUInt32BE(16),
    siaddr: buffer.readUInt32BE(20),
    giaddr: buffer.readUInt32BE(24),
    chaddr: Uint8Array.from(buffer.subarray(CHADDR, CHADDR + hlen)),
    sname: (overloaded & OVERLOAD_SNAME) === 0 ? readText(sname) : '',
    file: (overloaded & OVERLOAD_FILE) === 0 ? readText(file) : '',
    options: new Map(Array.from(pieces, ([code, data]) => [code, Uint8Array.from(Buffer.concat(data))])),
  };
}

/**
 * Writes a message of at most `maxBytes`, at least 300; undefined when it has more options than fit. They overflow
 * whole into the `file` and `sname` fields where those are free, the later ones first to go.
 */
export function encodeDhcp(message: DhcpMessage, maxBytes = DEFAULT_MESSAGE_BYTES): Buffer | undefined {
  const options = Array.from(message.options, ([code, data]) => writeOption(code, data));
  const placed = placeOptions(options, {
    options: Math.max(maxBytes, MIN_MESSAGE_BYTES) - OPTIONS - 1,
    file: message.file === '' ? FILE_BYTES - 1 : 0,
    sname: message.sname === '' ? SNAME_BYTES - 1 : 0,
  });
  if (placed === undefined) return undefined;
  const end = OPTIONS + placed.options.length + 1;
  const buffer = Buffer.alloc(Math.max(end, MIN_MESSAGE_BYTES));
  buffer[0] = message.op;
  buffer[1] = message.htype;
  buffer[2] = message.chaddr.length;
  buffer[3] = message.hops;
  buffer.writeUInt32BE(message.xid, 4);
  buffer.writeUInt16BE(message.secs, 8);
  buffer.writeUInt16BE(message.broadcast ? FLAG_BROADCAST : 0, 10);
  buffer.writeUInt32BE(message.ciaddr, 12);
  buffer.writeUInt32BE(message.yiaddr, 16);
  buffer.writeUInt32BE(message.siaddr, 20);
  buffer.writeUInt32BE(message.giaddr, 24);
  buffer.set(message.chaddr.subarray(0, CHADDR_BYTES), CHADDR);
  buffer.write(message.sname, SNAME, SNAME_BYTES, 'latin1');
  buffer.write(message.file, FILE, FILE_BYTES, 'latin1');
  writeOverloaded(buffer, SNAME, placed.sname);
  writeOverloaded(buffer, FILE, placed.file);
  buffer.writeUInt32BE(MAGIC_COOKIE, COOKIE);
  buffer.set(placed.options, OPTIONS);
  buffer[end - 1] = OPTION.end;
  return buffer;
}

/** Adds the options of one field to `pieces`; a text says what is wrong. A missing end is forgiven. */
function collectOptions(field: Buffer, pieces: Map<number, Buffer[]>): string | undefined {
  for (let offset = 0; offset < field.length && field[offset] !== OPTION.end; ) {
    const code = field[offset++]!;
    if (code === OPTION.pad) continue;
    const length = field[offset++];
    if (length === undefined || offset + length > field.length) return `an option ${code} that leaves its field`;
    const data = field.subarray(offset, offset + length);
    const known = pieces.get(code);
    if (known === undefined) pieces.set(code, [data]);
    else known.push(data);
    offset += length;
  }
  return undefined;
}

/** RFC 3396: data that is too long for one option goes into several of the same code. */
function writeOption(code: number, data: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset === 0 || offset < data.length; offset += MAX_PIECE_BYTES) {
    const piece = data.subarray(offset, offset + MAX_PIECE_BYTES);
    pieces.push(Uint8Array.of(code, piece.length), piece);
  }
  return Buffer.concat(pieces);
}

interface Placed {
  readonly options: Buffer;
  /** Empty: not overloaded. */
  readonly file: Buffer;
  readonly sname: Buffer;
}

/** Puts each option into the first field that has room for it, in the order in which RFC 3396 reads them. */
function placeOptions(
  options: readonly Buffer[],
  room: { readonly options: number; readonly file: number; readonly sname: number },
): Placed | undefined {
  const all = Buffer.concat(options);
  if (all.length <= room.options) return { options: all, file: Buffer.alloc(0), sname: Buffer.alloc(0) };
  const fields = [room.options - OVERLOAD_OPTION_BYTES, room.file, room.sname].map((left) => ({
    left,
    content: [] as Buffer[],
  }));
  for (const option of options) {
    const field = fields.find(({ left }) => left >= option.length);
    if (field === undefined) return undefined;
    field.left -= option.length;
    field.content.push(option);
  }
  const [main, file, sname] = fields.map(({ content }) => Buffer.concat(content)) as [Buffer, Buffer, Buffer];
  const flags = (file.length > 0 ? OVERLOAD_FILE : 0) | (sname.length > 0 ? OVERLOAD_SNAME : 0);
  return { options: Buffer.concat([Buffer.of(OPTION.overload, 1, flags), main]), file, sname };
}

function writeOverloaded(buffer: Buffer, offset: number, content: Buffer): void {
  if (content.length === 0) return;
  buffer.set(content, offset);
  buffer[offset + content.length] = OPTION.end;
}

function readText(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
}
