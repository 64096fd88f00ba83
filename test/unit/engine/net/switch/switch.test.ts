import type { FrameReceiver, Link, OutgoingFrame } from '../../../../../engine/net/link/link';
import { HEADROOM } from '../../../../../engine/net/link/link';
import { frameCount, writeFrames } from '../../../../../engine/net/link/segment';
import { Switch } from '../../../../../engine/net/switch/switch';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { GATEWAY_MAC } from '../fixtures/fake-guest';
import {
  ACK,
  ethernetFrame,
  FIN,
  icmpBytes,
  ipPacket,
  macNumber,
  readDatagram,
  readFrame,
  readSegment,
  TCP,
  tcpBytes,
  UDP,
  udpBytes,
} from '../fixtures/packets';
import { pattern } from '../fixtures/test-network';

const A = '02:00:00:00:00:0a';
const B = '02:00:00:00:00:0b';
const C = '02:00:00:00:00:0c';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

class Port implements Link {
  readonly full = false;
  readonly got: Buffer[] = [];
  readonly offloaded: boolean[] = [];
  readonly #input = allocatePinned(70_000);
  readonly #closed: (() => void)[] = [];

  constructor(
    readonly name: string,
    private readonly receive: FrameReceiver,
  ) {}

  inject(frame: Uint8Array, verified = false): void {
    this.#input.bytes.set(frame, 3);
    this.receive(this.#input, 3, 3 + frame.length, verified);
  }

  send(frame: OutgoingFrame): boolean {
    expect(frame.header.bytes.length).toBeGreaterThanOrEqual(HEADROOM + frame.headerBytes);
    this.offloaded.push(frame.checksumStart >= 0);
    const out = Buffer.alloc(frameCount(frame) * frame.headerBytes + frame.payloadBytes);
    const lengths: number[] = [];
    writeFrames(
      frame,
      out,
      new DataView(out.buffer, out.byteOffset),
      0,
      0,
      (_view, _at, bytes) => void lengths.push(bytes),
    );
    let at = 0;
    for (const length of lengths) {
      this.got.push(out.subarray(at, at + length));
      at += length;
    }
    return true;
  }

  onDrain(): void {}
  onClose(listener: () => void): void {
    this.#closed.push(listener);
  }
  close(): void {
    for (const listener of this.#closed) listener();
  }
}

function newSwitch(count: number): { ports: Port[]; up: string[]; net: Switch } {
  const up: string[] = [];
  const net = new Switch(macNumber(GATEWAY_MAC), 1500, (link, _source, buffer, start, end) => {
    up.push(`${link.name} ${buffer.bytes.toString('latin1', start + 14, end)}`);
  });
  const ports = Array.from({ length: count }, (_, index) => {
    let made: Port | undefined;
    net.attach((receive) => {
      made = new Port(`port${index}`, receive);
      return made;
    });
    return made as Port;
  });
  return { ports, up, net };
}

const frame = (to: string, from: string, text: string): Buffer => ethernetFrame(to, from, 0x88b5, Buffer.from(text));
const texts = (port: Port): string[] => port.got.map((one) => one.toString('latin1', 14));

it('floods what it does not know, and learns', () => {
  const { ports, up } = newSwitch(3);
  const [a, b, c] = ports as [Port, Port, Port];
  a.inject(frame(B, A, 'who'));
  expect([texts(a), texts(b), texts(c), up]).toEqual([[], ['who'], ['who'], []]);
  b.inject(frame(A, B, 'me'));
  expect([texts(a), texts(b), texts(c)]).toEqual([['me'], ['who'], ['who']]);
  a.inject(frame(B, A, 'you'));
  expect([texts(b), texts(c)]).toEqual([['who', 'you'], ['who']]);
  // A guest that moves is found where it spoke last.
  c.inject(frame(B, A, 'moved'));
  b.inject(frame(A, B, 'there'));
  expect([texts(a), texts(c)]).toEqual([['me'], ['who', 'there']]);
});

it('gives the gateway what is for it and for everybody, others nothing of the first', () => {
  const { ports, up } = newSwitch(2);
  const [a, b] = ports as [Port, Port];
  a.inject(frame(GATEWAY_MAC, A, 'up'));
  a.inject(frame(BROADCAST, A, 'all'));
  a.inject(frame('33:33:00:00:00:01', A, 'nodes'));
  expect(up).toEqual(['port0 up', 'port0 all', 'port0 nodes']);
  expect(texts(b)).toEqual(['all', 'nodes']);
  expect(texts(a)).toEqual([]);
});

it('does not believe those who speak as the gateway or as a group, and sends nothing back where it came from', () => {
  const { ports, up, net } = newSwitch(2);
  const [a, b] = ports as [Port, Port];
  a.inject(frame(BROADCAST, GATEWAY_MAC, 'spoof'));
  a.inject(frame(BROADCAST, '01:00:00:00:00:01', 'group'));
  a.inject(frame(A, A, 'self'));
  expect([up, texts(b), texts(a), net.places.size]).toEqual([[], [], [], 1]);
});

it('forgets what is behind a link that is gone', () => {
  const { ports, net } = newSwitch(3);
  const [a, b, c] = ports as [Port, Port, Port];
  b.inject(frame(C, B, 'hello'));
  b.close();
  expect([net.links.size, net.places.size]).toEqual([2, 0]);
  a.inject(frame(B, A, 'still?'));
  expect([texts(b), texts(c)]).toEqual([[], ['hello', 'still?']]);
});

it('remembers a bounded number of addresses, and works for more', () => {
  const { ports, net } = newSwitch(2);
  const [a, b] = ports as [Port, Port];
  b.inject(frame(A, B, 'first'));
  for (let count = 0; count < 5000; count++) {
    a.inject(
      frame(
        B,
        `02:01:00:00:${(count >> 8).toString(16).padStart(2, '0')}:${(count & 255).toString(16).padStart(2, '0')}`,
        '',
      ),
    );
  }
  expect(net.places.size).toBe(4096);
  expect(texts(b)).toHaveLength(5000);
  b.inject(frame('02:01:00:00:13:00', B, 'late'));
  expect(texts(a).at(-1)).toBe('late');
});

describe('a frame of a kernel that leaves work to its NIC', () => {
  const source = '192.168.65.3';
  const destination = '192.168.65.4';

  it.each([
    [source, destination, 0x0800, Buffer.alloc(0)],
    [source, destination, 0x0800, Buffer.alloc(8, 1)],
    ['fd00::3', 'fd00::4', 0x86dd, Buffer.alloc(0)],
  ])('arrives whole, in frames that fit, with checksums: TCP %s', (from, to, type, options) => {
    const { ports } = newSwitch(2);
    const [a, b] = ports as [Port, Port];
    b.inject(frame(A, B, ''));
    const payload = pattern(20_000);
    const body = tcpBytes(from, to, {
      sourcePort: 1,
      destinationPort: 2,
      sequence: 0xffff_fff0,
      acknowledged: 5,
      flags: ACK | FIN,
      window: 9,
      options: Buffer.alloc(12, 1),
      payload,
    });
    body.writeUInt16BE(0xdead, 16);
    a.inject(
      ethernetFrame(B, A, type, ipPacket({ source: from, destination: to, protocol: TCP, body, options })),
      true,
    );
    const segments = b.got.map((one) => readSegment(readFrame(one)));
    expect(Math.max(...b.got.map(({ length }) => length))).toBe(1514);
    expect(Buffer.concat(segments.map((segment) => segment.payload)).equals(payload)).toBe(true);
    expect(segments.map(({ flags }) => flags & FIN)).toEqual([...Array<number>(segments.length - 1).fill(0), FIN]);
  });

  it.each([
    [source, destination, 0x0800],
    ['fd00::3', 'fd00::4', 0x86dd],
  ])('arrives with its checksum: UDP %s', (from, to, type) => {
    const { ports } = newSwitch(2);
    const [a, b] = ports as [Port, Port];
    const body = udpBytes(from, to, 1, 2, pattern(1001));
    body.writeUInt16BE(0xdead, 6);
    a.inject(ethernetFrame(BROADCAST, A, type, ipPacket({ source: from, destination: to, protocol: UDP, body })), true);
    expect(readDatagram(readFrame(b.got[0]!)).payload).toEqual(pattern(1001));
  });

  it('is passed as it is when it is no TCP and no UDP, a fragment, or broken', () => {
    const { ports } = newSwitch(2);
    const [a, b] = ports as [Port, Port];
    const whole = tcpBytes(source, destination, {
      sourcePort: 1,
      destinationPort: 2,
      sequence: 0,
      acknowledged: 0,
      flags: 0,
      window: 0,
    });
    const badHeader = Buffer.from(whole);
    badHeader[12] = 0xf0;
    const frames = [
      ipPacket({ source, destination, protocol: 1, body: icmpBytes(source, destination, 8, 0, pattern(99)) }),
      ipPacket({ source, destination, protocol: UDP, body: pattern(100), fragment: 0x2000 }),
      ipPacket({ source, destination, protocol: UDP, body: pattern(100), fragment: 0x0010 }),
      ipPacket({ source, destination, protocol: UDP, body: pattern(7) }),
      ipPacket({ source, destination, protocol: TCP, body: badHeader }),
      ipPacket({ source, destination, protocol: TCP, body: whole.subarray(0, 19) }),
      Buffer.from([0x4f, 0]),
    ].map((packet) => ethernetFrame(BROADCAST, A, 0x0800, packet));
    frames.push(
      ethernetFrame(BROADCAST, A, 0x86dd, Buffer.alloc(39, 0x60)),
      ethernetFrame(BROADCAST, A, 0x0806, pattern(28)),
    );
    for (const one of frames) a.inject(one, true);
    expect(b.got.map((one) => one.toString('hex'))).toEqual(frames.map((one) => one.toString('hex')));
    expect(b.offloaded).not.toContain(true);
  });

  it('is trusted no further than it is checked when it comes from a stream', () => {
    const { ports } = newSwitch(2);
    const [a, b] = ports as [Port, Port];
    const body = udpBytes(source, destination, 1, 2, pattern(100));
    body.writeUInt16BE(0xdead, 6);
    const bad = ethernetFrame(BROADCAST, A, 0x0800, ipPacket({ source, destination, protocol: UDP, body }));
    a.inject(bad, false);
    expect(b.got[0]!.equals(bad)).toBe(true);
  });
});
