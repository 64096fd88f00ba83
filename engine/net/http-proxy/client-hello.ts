/** What the first bytes of a TCP flow say about the host that is wanted. */
export type ServerName =
  | { readonly kind: 'name'; readonly name: string }
  /** TLS without a server name, or no TLS. */
  | { readonly kind: 'none' }
  /** So far it is the beginning of a ClientHello. */
  | { readonly kind: 'more' };

/** No more is read in search of a name. Hellos with post-quantum keys have about 2 KiB. */
export const MAX_HELLO_BYTES = 16_384 + 5;

const NONE: ServerName = { kind: 'none' };
const MORE: ServerName = { kind: 'more' };

const RECORD_HEADER_BYTES = 5;
const RECORD_HANDSHAKE = 22;
const MAX_RECORD_BYTES = 16_384;
const HANDSHAKE_CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const NAME_TYPE_HOST = 0;
/** A DNS name as RFC 6066 section 3 wants it: ASCII, no dot at the end. An address is no server name. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*$/i;
const ADDRESS_LIKE = /^[0-9.]+$/;

/**
 * The server name in the ClientHello that `bytes` begin with (RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3; the
 * same in every older TLS). The hello may be spread over several records.
 *
 *   record      0 type 22   1 version   3 length   5 fragment
 *   handshake   0 type 1    1 length (3 bytes)
 *   hello       4 version   6 random   38 session id<1>   cipher suites<2>   compression<1>   extensions<2>
 *   extension   0 type      2 length   4 data
 *   server_name 0 length    2 name type 0   3 length   5 name
 */
export function readServerName(bytes: Uint8Array): ServerName {
  const handshake = joinRecords(bytes);
  if (handshake === undefined) return NONE;
  if (handshake.length > 0 && handshake[0] !== HANDSHAKE_CLIENT_HELLO) return NONE;
  const missing: ServerName = bytes.length < MAX_HELLO_BYTES ? MORE : NONE;
  if (handshake.length < 4) return missing;
  const helloEnd = 4 + (handshake[1]! << 16) + readUint16(handshake, 2);
  if (helloEnd > MAX_HELLO_BYTES) return NONE;
  if (handshake.length < helloEnd) return missing;
  return readHello(handshake.subarray(0, helloEnd));
}

/** The handshake bytes of the records, as far as they are there; undefined when it is something else. */
function joinRecords(bytes: Uint8Array): Uint8Array | undefined {
  const joined = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== RECORD_HANDSHAKE) return undefined;
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return undefined;
    if (at + RECORD_HEADER_BYTES > bytes.length) break;
    const recordBytes = readUint16(bytes, at + 3);
    if (recordBytes === 0 || recordBytes > MAX_RECORD_BYTES) return undefined;
    const start = at + RECORD_HEADER_BYTES;
    const fragment = bytes.subarray(start, Math.min(start + recordBytes, bytes.length));
    joined.set(fragment, length);
    length += fragment.length;
    at = start + recordBytes;
    // The hello ends here; what follows it may be anything.
    if (length >= 4 && length >= 4 + (joined[1]! << 16) + readUint16(joined, 2)) break;
  }
  return joined.subarray(0, length);
}

function readHello(hello: Uint8Array): ServerName {
  let at = 4 + 2 + 32;
  at += 1 + (hello[at] ?? 0);
  at += 2 + readUint16(hello, at);
  at += 1 + (hello[at] ?? 0);
  const end = at + 2 + readUint16(hello, at);
  if (end > hello.length) return NONE;
  for (at += 2; at + 4 <= end; ) {
    const type = readUint16(hello, at);
    const dataEnd = at + 4 + readUint16(hello, at + 2);
    if (dataEnd > end) return NONE;
    if (type === EXTENSION_SERVER_NAME) return readNameList(hello.subarray(at + 4, dataEnd));
    at = dataEnd;
  }
  return NONE;
}

function readNameList(list: Uint8Array): ServerName {
  if (list.length < 5 || list[2] !== NAME_TYPE_HOST) return NONE;
  const nameBytes = readUint16(list, 3);
  if (5 + nameBytes > list.length) return NONE;
  const name = Buffer.from(list.subarray(5, 5 + nameBytes)).toString('latin1');
  return HOST_NAME.test(name) && !ADDRESS_LIKE.test(name) ? { kind: 'name', name: name.toLowerCase() } : NONE;
}

/** Bytes that are not there count as 0; the lengths that come of it are checked against the end. */
function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
