import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { serveNineP } from '../../../../../../engine/net/ninep/serve-nine-p';
import { Reactor } from '../../../../../../engine/net/reactor/reactor';
import type { VirtioDevice } from '../../../../../../engine/vmm/virtio/device-model';
import { MAX_MESSAGE_BYTES } from '../../../../../../engine/vmm/virtio/p9/message';
import { createP9 } from '../../../../../../engine/vmm/virtio/p9/virtio-p9';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { countDescriptors } from '../../../../../support/descriptors';
import { Mailbox } from '../../../net/fixtures/fake-guest';
import { eventually, pattern } from '../../../net/fixtures/test-network';
import { DriverRing, fakeMemory } from '../driver-ring';

const NOTAG = 0xffff;
const TVERSION = 100;
const RVERSION = 101;
const TFLUSH = 108;
const RFLUSH = 109;
const TREAD = 116;
const TWRITE = 118;
const TCLUNK = 120;
const RLERROR = 7;
const RERROR = 107;

let before: number;
let folder: string;
let reactor: Reactor;
let device: VirtioDevice;
let ring: DriverRing;
let faults: string[];
let server: Server | undefined;
const sockets: Socket[] = [];

beforeEach(() => {
  before = countDescriptors();
  folder = mkdtempSync(path.join(tmpdir(), 'hk-9p-'));
  reactor = new Reactor();
  faults = [];
});

afterEach(async () => {
  await device.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  if (server !== undefined) await new Promise((resolve) => server?.close(resolve));
  server = undefined;
  reactor.close();
  rmSync(folder, { recursive: true });
  await eventually(() => countDescriptors() <= before);
});

function message(type: number, tag: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(7 + body.length);
  bytes.writeUInt32LE(bytes.length);
  bytes[4] = type;
  bytes.writeUInt16LE(tag, 5);
  bytes.set(body, 7);
  return bytes;
}

function version(type: number, msize: number, text: string): Buffer {
  const body = Buffer.alloc(6 + text.length);
  body.writeUInt32LE(msize);
  body.writeUInt16LE(text.length, 4);
  body.write(text, 6);
  return message(type, NOTAG, body);
}

function start(): void {
  ring = new DriverRing(fakeMemory(48 * 1024 * 1024), { size: 256, eventIndex: true, bytes: 47 * 1024 * 1024 });
  const { memory, layout } = ring;
  const queue = new Virtqueue(memory, layout, () => undefined, {
    fail: (fault) => void faults.push(fault.code),
    again: () => void setImmediate(() => device.notified(0)),
  });
  device.activate([queue], 1n);
}

function open(to: { readonly path: string } | { readonly port: number } = { path: path.join(folder, 'server') }): void {
  device = createP9(reactor, { tag: 'share', server: to });
  start();
}

/** A 9P server whose every answer is the test's. */
class Peer {
  readonly requests = new Mailbox<Buffer>();
  readonly sockets = new Mailbox<Socket>();
  socket: Socket | undefined;

  constructor(readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      sockets.push(socket.on('error', () => undefined));
      this.socket = socket;
      let rest = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 4 && rest.length >= rest.readUInt32LE()) {
          const size = rest.readUInt32LE();
          this.requests.put(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
      });
      this.sockets.put(socket);
    });
  }
}

async function listen(on: string | number = path.join(folder, 'server')): Promise<Peer> {
  server = createServer();
  const peer = new Peer(server);
  if (typeof on === 'string') server.listen(on);
  else server.listen(on, '127.0.0.1');
  await once(server, 'listening');
  return peer;
}

function ask(request: Uint8Array, room = 64): number {
  const { head } = ring.add([request], [Math.min(room, 11), Math.max(1, room - 11)]);
  if (ring.needsKick()) device.notified(0);
  return head;
}

/** Replies since the last call, by the head of their chain. */
function collect(): Map<number, Buffer> {
  return new Map(ring.collect().map(({ head, written, bytes }) => [head, Buffer.from(bytes.subarray(0, written))]));
}

async function answerTo(head: number): Promise<Buffer> {
  let found: Buffer | undefined;
  await eventually(() => {
    found = collect().get(head);
    return found !== undefined;
  }, 15_000);
  return found!;
}

async function mount(dialect = '9P2000.L'): Promise<Peer> {
  const peer = await listen();
  open();
  const head = ask(version(TVERSION, 131_072, dialect));
  await peer.requests.next();
  peer.socket!.write(version(RVERSION, 131_072, dialect));
  expect(await answerTo(head)).toEqual(version(RVERSION, 131_072, dialect));
  return peer;
}

test('tells the guest its name', () => {
  open();
  expect(Buffer.from(device.identity.config)).toEqual(Buffer.concat([Buffer.of(5, 0), Buffer.from('share')]));
  for (const tag of ['', 'x'.repeat(257)])
    expect(() => createP9(reactor, { tag, server: { port: 1 } })).toThrow(/1 to 256/);
});

test.each(['path', 'port'])('serves a guest from a real server behind a %s', async (kind) => {
  server = createServer((socket) => {
    sockets.push(socket);
    serveNineP(socket, {
      kind: 'directory',
      name: '',
      qidPath: 1,
      permissions: 0o555,
      child: () => undefined,
      children: () => [],
    });
  });
  if (kind === 'path') server.listen(path.join(folder, 'server'));
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open(kind === 'path' ? undefined : { port: (server.address() as AddressInfo).port });
  const answer = await answerTo(ask(version(TVERSION, 8192, '9P2000')));
  expect([answer[4], answer.toString('latin1', 13)]).toEqual([RVERSION, '9P2000']);
});

test('finds answers their requests, in whatever order they come', async () => {
  const peer = await mount();
  const heads = [1, 2, 3].map((tag) => ask(message(TREAD, tag, Buffer.alloc(16)), 100));
  for (let count = 0; count < 3; count++) await peer.requests.next();
  for (const tag of [3, 1, 2]) peer.socket!.write(message(TREAD + 1, tag, Buffer.from(`data ${tag}`)));
  const got = new Map<number, Buffer>();
  await eventually(() => {
    for (const [head, bytes] of collect()) got.set(head, bytes);
    return got.size === 3;
  });
  expect(heads.map((head) => got.get(head)!.toString('latin1', 7))).toEqual(['data 1', 'data 2', 'data 3']);
});

test('waits for a server that starts late', async () => {
  open();
  const head = ask(version(TVERSION, 8192, '9P2000.L'));
  ask(message(TCLUNK, 1, Buffer.alloc(4)));
  await new Promise((resolve) => setTimeout(resolve, 120));
  const peer = await listen();
  expect((await peer.requests.next())[4]).toBe(TVERSION);
  peer.socket!.write(version(RVERSION, 8192, '9P2000.L'));
  expect((await answerTo(head))[4]).toBe(RVERSION);
  expect((await peer.requests.next())[4]).toBe(TCLUNK);
});

test.each([
  ['9P2000.L', RLERROR, '05000000'],
  ['9P2000.u', RERROR, `1200${Buffer.from('Input/output error').toString('hex')}05000000`],
  ['9P2000', RERROR, `1200${Buffer.from('Input/output error').toString('hex')}`],
])('a server that goes leaves errors of %s, and comes back with the next mount', async (dialect, type, body) => {
  const peer = await mount(dialect);
  const heads = [1, 2].map((tag) => ask(message(TREAD, tag, Buffer.alloc(16))));
  await peer.requests.next();
  await peer.requests.next();
  peer.socket!.destroy();
  const answers = new Map<number, Buffer>();
  await eventually(() => {
    for (const [head, bytes] of collect()) answers.set(head, bytes);
    return answers.size === 2;
  });
  for (const [index, head] of heads.entries()) {
    expect(answers.get(head)).toEqual(message(type, index + 1, Buffer.from(body, 'hex')));
  }
  expect((await answerTo(ask(message(TCLUNK, 9, Buffer.alloc(4)))))[4]).toBe(type);
  expect(sockets).toHaveLength(1);
  const again = ask(version(TVERSION, 8192, dialect));
  await peer.requests.next();
  peer.socket!.write(version(RVERSION, 8192, dialect));
  expect((await answerTo(again))[4]).toBe(RVERSION);
});

test('a flush gives back what it flushed, without an answer, before its own', async () => {
  const peer = await mount();
  const read = ask(message(TREAD, 1, Buffer.alloc(16)));
  const flush = ask(message(TFLUSH, 2, Buffer.of(1, 0)));
  await peer.requests.next();
  await peer.requests.next();
  peer.socket!.write(message(RFLUSH, 2));
  let done: [number, Buffer][] = [];
  await eventually(() => {
    done = [...done, ...collect()];
    return done.length === 2;
  });
  expect(done).toEqual([
    [read, Buffer.alloc(0)],
    [flush, message(RFLUSH, 2)],
  ]);
  // The tag is free again.
  ask(message(TREAD, 1, Buffer.alloc(16)));
  expect((await peer.requests.next()).readUInt16LE(5)).toBe(1);
});

test('counts the data of a write whose driver did not, and lets no message be longer than goes through', async () => {
  const peer = await mount();
  const data = pattern(5000);
  const write = message(TWRITE, 1, Buffer.concat([Buffer.alloc(12), Buffer.of(0x88, 0x13, 0, 0), data]));
  const sent = Buffer.from(write);
  sent.writeUInt32LE(23);
  ask(sent);
  expect(await peer.requests.next()).toEqual(write);
  ask(version(TVERSION, 2 ** 31, '9P2000.L'));
  expect((await peer.requests.next()).readUInt32LE(7)).toBe(MAX_MESSAGE_BYTES);
});

test('holds requests back while the server does not read, and forgets none', async () => {
  const peer = await mount();
  peer.socket!.pause();
  const payload = pattern(150_000);
  const heads = Array.from({ length: 40 }, (_, tag) =>
    ask(message(TWRITE, tag, Buffer.concat([Buffer.alloc(12), Buffer.of(0xf0, 0x49, 2, 0), payload]))),
  );
  await new Promise((resolve) => setImmediate(resolve));
  peer.socket!.resume();
  for (const [tag] of heads.entries()) {
    const request = await peer.requests.next();
    expect([request.readUInt16LE(5), request.length]).toEqual([tag, 150_023]);
    peer.socket!.write(message(TWRITE + 1, tag, Buffer.alloc(4)));
  }
  const answered = new Set<number>();
  await eventually(() => {
    for (const head of collect().keys()) answered.add(head);
    return answered.size === heads.length;
  });
});

test('refuses what no driver would send', async () => {
  const peer = await mount();
  const wrong = message(TCLUNK, 5, Buffer.alloc(4));
  wrong.writeUInt32LE(12);
  expect(await answerTo(ask(wrong))).toEqual(message(RLERROR, 5, Buffer.of(22, 0, 0, 0)));
  ask(message(TREAD, 6, Buffer.alloc(16)));
  expect((await answerTo(ask(message(TREAD, 6, Buffer.alloc(16)))))[4]).toBe(RLERROR);
  expect(await answerTo(ask(Buffer.alloc(6)))).toHaveLength(0);
  await peer.requests.next();
});

test('an answer that is longer than its buffers becomes an error', async () => {
  const peer = await mount();
  const head = ask(message(TREAD, 1, Buffer.alloc(16)), 20);
  await peer.requests.next();
  peer.socket!.write(message(TREAD + 1, 1, Buffer.alloc(100)));
  expect(await answerTo(head)).toEqual(message(RLERROR, 1, Buffer.of(5, 0, 0, 0)));
});

test.each([
  ['too short', Buffer.of(6, 0, 0, 0, 1, 0, 0)],
  ['too long', Buffer.of(1, 0, 4, 0, 1, 0, 0)],
])('a server whose messages are %s is left', async (_what, bytes) => {
  const peer = await mount();
  const head = ask(message(TREAD, 1, Buffer.alloc(16)));
  await peer.requests.next();
  peer.socket!.write(bytes);
  expect((await answerTo(head))[4]).toBe(RLERROR);
});

test('a reset of the guest leaves the server; the next driver mounts anew', async () => {
  const peer = await mount();
  const socket = peer.socket!.resume();
  await device.deactivate();
  await once(socket, 'close');
  start();
  ask(version(TVERSION, 8192, '9P2000.L'));
  expect((await peer.requests.next())[4]).toBe(TVERSION);
});

test('whatever guest and server say, every request that is over comes back once', async () => {
  const peer = await mount();
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          type: fc.constantFrom(TVERSION, TFLUSH, TREAD, TWRITE, 0, 255),
          tag: fc.integer({ min: 0, max: 5 }),
          body: fc.uint8Array({ maxLength: 40 }),
          size: fc.option(fc.constantFrom(0, 6, 7, 30, 0xffff_ffff)),
          room: fc.integer({ min: 12, max: 60 }),
        }),
        { maxLength: 30 },
      ),
      fc.array(
        fc.tuple(
          fc.constantFrom(RVERSION, RFLUSH, RLERROR, TREAD + 1),
          fc.integer({ min: 0, max: 6 }),
          fc.uint8Array({ maxLength: 50 }),
        ),
      ),
      async (requests, replies) => {
        for (const { type, tag, body, size, room } of requests) {
          const bytes = message(type, tag, body);
          if (size !== null) bytes.writeUInt32LE(size);
          ask(bytes, room);
        }
        for (const [type, tag, body] of replies) peer.socket!.write(message(type, tag, body));
        for (let tag = 0; tag <= 5; tag++) peer.socket!.write(message(TCLUNK + 1, tag));
        // Tags that are free now are used again; whatever is left of them comes back, too.
        await eventually(() => {
          ring.collect();
          for (let tag = 0; tag <= 5; tag++) peer.socket!.write(message(TCLUNK + 1, tag));
          return ring.underWay === 0;
        });
      },
    ),
    { numRuns: 60 },
  );
  expect(faults).toEqual([]);
  peer.requests.waiting.length = 0;
  ask(message(TCLUNK, 7, Buffer.alloc(4)));
  await peer.requests.next((request) => request.readUInt16LE(5) === 7);
});
