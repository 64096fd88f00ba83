import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';

/** The first bytes that a TLS client sends. */
export async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      wire.emit('hello', chunk);
      done();
    },
  });
  const hello = once(wire, 'hello');
  const client = connect({ ...options, socket: wire });
  client.on('error', () => undefined);
  const [bytes] = (await hello) as [Buffer];
  client.destroy();
  return bytes;
}

/** The same handshake in records of at most `size` bytes. */
export function inRecords(hello: Buffer, size: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const part = hello.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}
