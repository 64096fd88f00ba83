import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

/** What a TLS server drew at random for a handshake. */
export interface ServerDraw {
  /** Of its hello, in hex. */
  readonly random: string;
  /** Its half of the key exchange, X25519, in hex. */
  readonly share: string;
}

const HANDSHAKE_RECORD = 22;
const SERVER_HELLO = 2;
const SERVER_KEY_EXCHANGE = 12;

/** Begins a handshake of TLS 1.2 (RFC 5246, 7.4; RFC 8422, 5.4) and leaves after the server's key exchange; undefined when there is none. */
export function drawOfServer(host: string, port: number, timeoutMs = 5000): Promise<ServerDraw | undefined> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = connect({ host, port });
    const settle = (draw: ServerDraw | undefined): void => {
      socket.destroy();
      resolve(draw);
    };
    socket.setTimeout(timeoutMs, () => settle(undefined));
    socket.once('connect', () => socket.write(clientHello()));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const messages = handshakeMessages(received);
      const hello = messages.get(SERVER_HELLO);
      const exchange = messages.get(SERVER_KEY_EXCHANGE);
      // The hello: version, random. The exchange: kind of curve, its name, length and point.
      if (hello && exchange)
        settle({ random: hello.toString('hex', 2, 34), share: exchange.toString('hex', 4, 4 + (exchange[3] ?? 0)) });
    });
    for (const event of ['error', 'close'] as const) socket.once(event, () => settle(undefined));
  });
}

function clientHello(): Buffer {
  const extensions = sized(2, [
    // X25519 for the exchange, P-256 for the certificate.
    extension(10, sized(2, [Buffer.from('001d0017', 'hex')])),
    extension(11, Buffer.from('0100', 'hex')),
    extension(13, sized(2, [Buffer.from('040308040401', 'hex')])),
  ]);
  // With AES-128-GCM, for servers with an ECDSA and with an RSA key.
  const suites = sized(2, [Buffer.from('c02bc02f', 'hex')]);
  const body = [Buffer.of(3, 3), randomBytes(32), Buffer.of(0), suites, Buffer.of(1, 0), extensions];
  return Buffer.concat([Buffer.of(HANDSHAKE_RECORD, 3, 1), sized(2, [Buffer.of(1), sized(3, body)])]);
}

function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0, type), sized(2, [content])]);
}

/** Behind its length in as many bytes. */
function sized(lengthBytes: number, parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

/** The messages of whole records, by their type. */
function handshakeMessages(records: Buffer): ReadonlyMap<number, Buffer> {
  const parts: Buffer[] = [];
  for (let at = 0; at + 5 <= records.length; at += 5 + records.readUInt16BE(at + 3)) {
    if (records[at] !== HANDSHAKE_RECORD) break;
    parts.push(records.subarray(at + 5, at + 5 + records.readUInt16BE(at + 3)));
  }
  const bytes = Buffer.concat(parts);
  const messages = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUIntBE(at + 1, 3);
    if (end > bytes.length) break;
    messages.set(bytes[at] ?? 0, bytes.subarray(at + 4, end));
    at = end;
  }
  return messages;
}
