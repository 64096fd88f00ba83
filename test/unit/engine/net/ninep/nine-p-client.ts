// A 9P2000 client with a codec of its own, so that what the server reads and writes is held against another hand.
import type { Duplex } from 'node:stream';

export const NOFID = 0xffffffff;

export interface Message {
  readonly type: number;
  readonly tag: number;
  readonly body: Buffer;
}

/** Cuts replies out of a stream and hands each to whoever waits for its tag. */
export class NinePClient {
  readonly closed: Promise<void>;
  #rest: Buffer = Buffer.alloc(0);
  #lastTag = 0;
  readonly #waiting = new Map<number, (message: Message | undefined) => void>();

  constructor(readonly stream: Duplex) {
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        for (const settle of this.#waiting.values()) settle(undefined);
        resolve();
      });
    });
  }

  /** A reply, whatever it is. */
  async call(type: number, body: Buffer, tag = ++this.#lastTag): Promise<Message> {
    const reply = new Promise<Message | undefined>((resolve) => this.#waiting.set(tag, resolve));
    this.stream.write(encode(type, tag, body));
    const message = await reply;
    if (!message) throw new Error('the server hung up');
    return message;
  }

  /** The body of the reply that belongs to the request. Throws what Rerror says. */
  async ask(type: number, ...fields: readonly Buffer[]): Promise<Buffer> {
    const message = await this.call(type, Buffer.concat(fields));
    if (message.type === 107) throw new Error(readText(message.body, 0));
    if (message.type !== type + 1) throw new Error(`a reply of type ${message.type} to ${type}`);
    return message.body;
  }

  async version(msize = 65_536, version = '9P2000'): Promise<{ msize: number; version: string }> {
    const body = await this.ask(100, u32(msize), text(version));
    return { msize: body.readUInt32LE(0), version: readText(body, 4) };
  }

  async attach(fid = 0, afid = NOFID): Promise<Buffer> {
    return await this.ask(104, u32(fid), u32(afid), text('me'), text(''));
  }

  /** Version and attach, as a mount does. */
  async mount(msize?: number): Promise<this> {
    await this.version(msize);
    await this.attach();
    return this;
  }

  /** The qids, 13 bytes each, of the steps that could be made. */
  async walk(fid: number, newFid: number, ...names: readonly string[]): Promise<readonly string[]> {
    const body = await this.ask(110, u32(fid), u32(newFid), u16(names.length), ...names.map(text));
    const count = body.readUInt16LE(0);
    return Array.from({ length: count }, (_, index) => body.toString('hex', 2 + 13 * index, 15 + 13 * index));
  }

  async open(fid: number, mode = 2): Promise<{ qid: string; ioUnit: number }> {
    const body = await this.ask(112, u32(fid), Buffer.of(mode));
    return { qid: body.toString('hex', 0, 13), ioUnit: body.readUInt32LE(13) };
  }

  async create(fid: number, name: string, perm = 0x800001ff, mode = 0): Promise<string> {
    const body = await this.ask(114, u32(fid), text(name), u32(perm), Buffer.of(mode));
    return body.toString('hex', 0, 13);
  }

  async read(fid: number, offset = 0, count = 8192): Promise<Buffer> {
    const body = await this.ask(116, u32(fid), u64(offset), u32(count));
    if (body.readUInt32LE(0) !== body.length - 4) throw new Error('Rread has another length than it says');
    return body.subarray(4);
  }

  async write(fid: number, data: string, offset = 0): Promise<number> {
    const bytes = Buffer.from(data);
    const body = await this.ask(118, u32(fid), u64(offset), u32(bytes.length), bytes);
    return body.readUInt32LE(0);
  }

  async clunk(fid: number): Promise<void> {
    await this.ask(120, u32(fid));
  }

  async remove(fid: number): Promise<void> {
    await this.ask(122, u32(fid));
  }

  async stat(fid: number): Promise<Entry> {
    const body = await this.ask(124, u32(fid));
    if (body.readUInt16LE(0) !== body.length - 2) throw new Error('Rstat has another length than it says');
    return readEntries(body.subarray(2))[0] ?? { name: '', mode: 0, qid: '', length: 0 };
  }

  /** What a directory holds, read in pieces. */
  async list(fid: number, count = 8192): Promise<readonly Entry[]> {
    const pieces: Buffer[] = [];
    for (let offset = 0; ; ) {
      const piece = await this.read(fid, offset, count);
      if (piece.length === 0) return readEntries(Buffer.concat(pieces));
      pieces.push(piece);
      offset += piece.length;
    }
  }

  #receive(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 7 && this.#rest.length >= this.#rest.readUInt32LE(0)) {
      const size = this.#rest.readUInt32LE(0);
      const tag = this.#rest.readUInt16LE(5);
      const message = { type: this.#rest.readUInt8(4), tag, body: this.#rest.subarray(7, size) };
      this.#rest = this.#rest.subarray(size);
      this.#waiting.get(tag)?.(message);
      this.#waiting.delete(tag);
    }
  }
}

export interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly qid: string;
  readonly length: number;
}

export function readEntries(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16LE(at)) {
    entries.push({
      qid: bytes.toString('hex', at + 8, at + 21),
      mode: bytes.readUInt32LE(at + 21),
      length: Number(bytes.readBigUInt64LE(at + 33)),
      name: readText(bytes, at + 41),
    });
  }
  return entries;
}

export function encode(type: number, tag: number, body: Buffer): Buffer {
  return Buffer.concat([u32(7 + body.length), Buffer.of(type), u16(tag), body]);
}

export function u16(value: number): Buffer {
  return Buffer.of(value & 0xff, value >> 8);
}

export function u32(value: number): Buffer {
  return Buffer.from(new Uint32Array([value]).buffer);
}

export function u64(value: number): Buffer {
  return Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u16(bytes.length), bytes]);
}

export function readText(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at + 2, at + 2 + bytes.readUInt16LE(at));
}
