import fc from 'fast-check';
import type { FrameReceiver, Link } from '../../../../../engine/net/link/link';
import {
  createStreamLink,
  type Framing,
  QEMU_FRAMING,
  VPNKIT_FRAMING,
} from '../../../../../engine/net/link/stream-link';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { EAGAIN, SO_SNDBUF, SOL_SOCKET, sockets } from '../../../../../native/sockets';
import { eventually, pattern } from '../fixtures/test-network';
import { frameOf } from './outgoing-frame';

const memory = allocatePinned(256 * 1024);
let reactor: Reactor;
const descriptors: number[] = [];

beforeEach(() => {
  reactor = new Reactor();
});
afterEach(() => {
  reactor.close();
  for (const fd of descriptors.splice(0)) sockets.close(fd);
});

interface Opened {
  readonly link: Link;
  /** The other end. */
  readonly fd: number;
  readonly received: Buffer[];
  readonly events: string[];
}

function open(framing: Framing, mtu = 1500, onFrame: FrameReceiver = () => undefined): Opened {
  const [ours, theirs] = sockets.pair();
  descriptors.push(theirs);
  const received: Buffer[] = [];
  const events: string[] = [];
  const link = createStreamLink(reactor, ours, { name: 'test', framing, mtu }, (buffer, start, end, verified) => {
    expect(verified).toBe(false);
    received.push(Buffer.from(buffer.bytes.subarray(start, end)));
    onFrame(buffer, start, end, verified);
  });
  link.onDrain(() => void events.push('drain'));
  link.onClose(() => void events.push('close'));
  return { link, fd: theirs, received, events };
}

function encode({ prefixBytes, littleEndian }: Framing, frame: Uint8Array): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  if (prefixBytes === 2) prefix.writeUInt16LE(frame.length);
  else prefix.writeUInt32BE(frame.length);
  expect(littleEndian).toBe(prefixBytes === 2);
  return Buffer.concat([prefix, frame]);
}

function write(fd: number, bytes: Uint8Array): number {
  memory.bytes.set(bytes);
  return sockets.send(fd, memory.address, bytes.length);
}

/** All that waits at the other end. */
function read(fd: number): Buffer {
  const parts: Buffer[] = [];
  for (;;) {
    const length = sockets.receive(fd, memory.address, memory.bytes.length);
    if (length <= 0) return Buffer.concat(parts);
    parts.push(Buffer.from(memory.bytes.subarray(0, length)));
  }
}

function decode({ prefixBytes }: Framing, bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = prefixBytes === 2 ? bytes.readUInt16LE(at) : bytes.readUInt32BE(at);
    frames.push(bytes.subarray(at + prefixBytes, at + prefixBytes + length));
    at += prefixBytes + length;
  }
  return frames;
}

const framings = [
  ['VPNKit', VPNKIT_FRAMING],
  ['QEMU', QEMU_FRAMING],
] as const;

describe.each(framings)("%s's frames", (_name, framing) => {
  it('are found whatever pieces they come in; those of no use are left out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 1600 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 }),
        async (frames, cuts) => {
          const { fd, received, link } = open(framing);
          const bytes = Buffer.concat(
            [...frames, Buffer.from('last frame here')].map((frame) => encode(framing, frame)),
          );
          for (let at = 0, piece = 0; at < bytes.length; piece++) {
            const end = Math.min(bytes.length, at + cuts[piece % cuts.length]!);
            write(fd, bytes.subarray(at, end));
            at = end;
            await new Promise((resolve) => setImmediate(resolve));
          }
          await eventually(() => received.at(-1)?.toString() === 'last frame here');
          const useful = frames.filter(({ length }) => length >= 14 && length <= 1514);
          expect(received.slice(0, -1).map((frame) => frame.toString('hex'))).toEqual(
            useful.map((frame) => Buffer.from(frame).toString('hex')),
          );
          link.close();
        },
      ),
      { numRuns: 20 },
    );
  });

  it('are sent as they are, in order, all of them', async () => {
    const { fd, link } = open(framing);
    const frames = Array.from({ length: 500 }, (_, index) => pattern(14 + ((index * 97) % 1500), index + 1));
    reactor.enter(() => {
      for (const frame of frames) expect(link.send(frameOf(frame))).toBe(true);
    });
    let bytes = Buffer.alloc(0);
    const expected = frames.reduce((sum, { length }) => sum + length + framing.prefixBytes, 0);
    await eventually(() => {
      bytes = Buffer.concat([bytes, read(fd)]);
      return bytes.length === expected;
    });
    expect(decode(framing, bytes).every((frame, index) => frame.equals(frames[index]!))).toBe(true);
  });

  it('longer than the MTU are not sent', () => {
    const { link } = open(framing, 576);
    expect(link.send(frameOf(Buffer.alloc(590)))).toBe(true);
    expect(link.send(frameOf(Buffer.alloc(591)))).toBe(false);
  });
});

it('closes when a length is nonsense', async () => {
  const { fd, events, received } = open(QEMU_FRAMING);
  write(fd, Buffer.concat([encode(QEMU_FRAMING, Buffer.alloc(60)), Buffer.from([0, 1, 0x10, 1]), Buffer.alloc(50)]));
  await eventually(() => events.includes('close'));
  expect(received).toHaveLength(1);
});

it('skips a frame of the longest length that a peer may have', async () => {
  const { fd, received } = open(QEMU_FRAMING);
  const sent = Buffer.concat([encode(QEMU_FRAMING, Buffer.alloc(69_632)), encode(QEMU_FRAMING, Buffer.alloc(60, 1))]);
  for (let at = 0; at < sent.length; ) {
    const written = write(fd, sent.subarray(at, at + 40_000));
    if (written > 0) at += written;
    else await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(() => received.length === 1);
  expect(received[0]).toEqual(Buffer.alloc(60, 1));
});

it('closes once when the other end is gone, and lets nothing in or out afterwards', async () => {
  const { fd, events, link, received } = open(QEMU_FRAMING);
  write(fd, encode(QEMU_FRAMING, Buffer.alloc(60, 7)));
  sockets.close(descriptors.pop()!);
  await eventually(() => events.length > 0);
  expect(received).toHaveLength(1);
  expect(link.send(frameOf(Buffer.alloc(60)))).toBe(false);
  link.close();
  expect(events).toEqual(['close']);
});

it('can be closed by what it delivers', async () => {
  const holder: { link?: Link } = {};
  const { fd, link, received, events } = open(QEMU_FRAMING, 1500, () => holder.link?.close());
  holder.link = link;
  write(fd, Buffer.concat([1, 2, 3].map((fill) => encode(QEMU_FRAMING, Buffer.alloc(60, fill)))));
  await eventually(() => events.length > 0);
  expect(received).toHaveLength(1);
});

it('keeps what it accepted for a reader that stopped, says when it is full, and when it has room again', async () => {
  const { fd, link, events } = open(VPNKIT_FRAMING, 9000);
  const sample = pattern(9014);
  const framed = sample.length + 2;
  const accepted: Buffer[] = [];
  let refusals = 0;
  for (let index = 0; refusals < 5; index++) {
    const frame = Buffer.from(sample);
    frame.writeUInt32BE(index, 20);
    if (link.send(frameOf(frame))) accepted.push(frame);
    else refusals++;
    // Turns in between must not lose anything either.
    if (index % 10 === 0) reactor.enter(() => undefined);
    expect(index).toBeLessThan(20_000);
  }
  expect(link.full).toBe(true);
  expect(events).toEqual([]);
  // The socket's own buffer and a megabyte of ours.
  const kernelBytes = sockets.getOption(fd, SOL_SOCKET, SO_SNDBUF) + 8 * 1024 * 1024;
  expect(accepted.length * framed).toBeLessThan(kernelBytes + 1024 * 1024 + framed);
  const parts: Buffer[] = [];
  let got = 0;
  await eventually(() => {
    const part = read(fd);
    parts.push(part);
    got += part.length;
    return got === accepted.length * framed;
  });
  expect(link.full).toBe(false);
  expect(events[0]).toBe('drain');
  const frames = decode(VPNKIT_FRAMING, Buffer.concat(parts));
  expect(frames.every((frame, index) => frame.equals(accepted[index]!))).toBe(true);
});

it('sends in the same turn what the news of room brings', async () => {
  const { fd, link } = open(VPNKIT_FRAMING);
  while (!link.full) link.send(frameOf(Buffer.alloc(1514)));
  const late = Buffer.alloc(60, 9);
  link.onDrain(() => void link.send(frameOf(late)));
  let bytes = Buffer.alloc(0);
  await eventually(() => {
    bytes = Buffer.concat([bytes.subarray(-62), read(fd)]);
    return bytes.subarray(-60).equals(late);
  });
  expect(sockets.receive(fd, memory.address, 1)).toBe(-EAGAIN);
});

it('takes one frame that is to be cut as the many that it becomes', () => {
  const { fd, link } = open(QEMU_FRAMING);
  const header = Buffer.alloc(54);
  header.writeUInt16BE(0x0800, 12);
  header[14] = 0x45;
  header[46] = 0x50;
  const frame = frameOf(Buffer.concat([header, pattern(14_600)]), 54, {
    segmentBytes: 1460,
    checksumStart: 34,
    checksumOffset: 16,
  });
  reactor.enter(() => expect(link.send(frame)).toBe(true));
  const frames = decode(QEMU_FRAMING, read(fd));
  expect(frames.map(({ length }) => length)).toEqual(Array(10).fill(1514));
  expect(Buffer.concat(frames.map((one) => one.subarray(54))).equals(pattern(14_600))).toBe(true);
});
