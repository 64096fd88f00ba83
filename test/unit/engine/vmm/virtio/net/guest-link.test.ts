import fc from 'fast-check';
import { Reactor } from '../../../../../../engine/net/reactor/reactor';
import { GuestLink } from '../../../../../../engine/vmm/virtio/net/guest-link';
import { ALL_OFFLOADS, NET_F } from '../../../../../../engine/vmm/virtio/net/net-header';
import type { NicBackend } from '../../../../../../engine/vmm/virtio/net/nic-backend';
import { ethernetFrame, ipPacket, readFrame, readSegment, TCP, tcpBytes } from '../../../net/fixtures/packets';
import { eventually, pattern } from '../../../net/fixtures/test-network';
import { frameOf } from '../../../net/link/outgoing-frame';
import { headerBytes, NicDriver, type NicDriverOptions } from './nic-driver';

const MAC = Uint8Array.of(2, 0x50, 0, 0, 0, 1);
const GUEST = '192.168.65.3';
const HOST = '192.168.65.1';
const NEEDS_CSUM = 1;
const TCPV4 = 1;
const LISTENS = NET_F.MAC | NET_F.MRG_RXBUF;

let reactor: Reactor;
let links: GuestLink[];

beforeEach(() => {
  reactor = new Reactor();
  links = [];
});
afterEach(() => {
  for (const link of links) link.close();
  reactor.close();
});

interface Seen {
  readonly bytes: Buffer;
  readonly verified: boolean;
}

function open(options: NicDriverOptions = {}, mtu = 1500, mustWait?: () => boolean) {
  const sent: Seen[] = [];
  const events: string[] = [];
  const link = new GuestLink(
    reactor,
    { name: 'test', mtu, ...(mustWait === undefined ? {} : { mustWait }) },
    (buffer, start, end, verified) =>
      void sent.push({ bytes: Buffer.from(buffer.bytes.subarray(start, end)), verified }),
  );
  link.onDrain(() => void events.push('drain'));
  link.onClose(() => void events.push('close'));
  links.push(link);
  const backend: NicBackend = {
    name: 'test',
    mac: MAC,
    mtu,
    offloads: ALL_OFFLOADS,
    start: (queues) => link.start(queues),
    receiveKicked: () => link.receiveKicked(),
    transmitKicked: () => link.transmitKicked(),
    stop: () => link.stop(),
    close: () => link.close(),
  };
  const driver = new NicDriver(backend, options);
  return { link, driver, sent, events };
}

/** A TCP segment whose checksum field holds the sum of the pseudo header only, as a driver leaves it. */
function segment(payload: Uint8Array): Buffer {
  const fields = { sourcePort: 80, destinationPort: 5000, sequence: 1, acknowledged: 1, flags: 0x18, window: 500 };
  const body = tcpBytes(HOST, GUEST, { ...fields, payload });
  let sum = 6 + body.length;
  for (const part of [HOST, GUEST]) {
    const [a, b, c, d] = part.split('.').map(Number) as [number, number, number, number];
    sum += (a << 8) + b + (c << 8) + d;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  body.writeUInt16BE(sum, 16);
  return ethernetFrame(
    '02:50:00:00:00:01',
    'f6:16:36:bc:f9:c6',
    0x0800,
    ipPacket({
      source: HOST,
      destination: GUEST,
      protocol: TCP,
      body,
    }),
  );
}

const tcpFrame = (payload: Uint8Array, segmentBytes = 0) =>
  frameOf(segment(payload), 54, { checksumStart: 34, checksumOffset: 16, segmentBytes });

const enter = <T>(action: () => T): T => reactor.enter(action);

test('tells the guest what it is', () => {
  const { driver } = open({}, 9000);
  const { type, config, features } = driver.device.identity;
  expect(type).toBe(1);
  expect(Buffer.from(config).toString('hex')).toBe('02500000000101000100' + '2823');
  expect(features).toBe(ALL_OFFLOADS | NET_F.MAC | NET_F.MTU | NET_F.STATUS | NET_F.MRG_RXBUF);
});

describe("a guest's frames", () => {
  it('arrive whatever pieces they lie in, in order, and their buffers come back', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: 14, max: 1514 }), fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 6 })),
          {
            minLength: 1,
            maxLength: 20,
          },
        ),
        (frames) => {
          const { driver, sent } = open();
          for (const [bytes, cuts] of frames) {
            driver.queuePieces(Buffer.concat([headerBytes(), pattern(bytes, bytes)]), cuts);
          }
          driver.kick();
          expect(sent.map(({ bytes }) => bytes)).toEqual(frames.map(([bytes]) => pattern(bytes, bytes)));
          expect(driver.transmitRing.collect()).toHaveLength(frames.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are whole and checked by us, unless the driver left the checksum', () => {
    const { driver, sent } = open();
    driver.queue(pattern(60));
    driver.queue(segment(pattern(100)), { flags: NEEDS_CSUM, checksumStart: 34, checksumOffset: 16 });
    driver.queue(segment(pattern(64_000)), {
      flags: NEEDS_CSUM,
      checksumStart: 34,
      checksumOffset: 16,
      gsoType: TCPV4,
      gsoSize: 1460,
      headerLength: 54,
    });
    driver.kick();
    expect(sent.map(({ bytes, verified }) => [bytes.length, verified])).toEqual([
      [60, false],
      [154, true],
      [64_054, true],
    ]);
  });

  it.each([
    ['longer than the MTU and not to be cut', pattern(1600), {}],
    ['without an Ethernet header', pattern(13), {}],
    ['to be cut, of a kind that was not offered', pattern(3000), { flags: NEEDS_CSUM, gsoType: 3, gsoSize: 1000 }],
    ['to be cut without a checksum', pattern(3000), { gsoType: TCPV4, gsoSize: 1000 }],
    ['to be cut into nothing', pattern(3000), { flags: NEEDS_CSUM, gsoType: TCPV4, gsoSize: 0 }],
    ['with a checksum behind the end', pattern(60), { flags: NEEDS_CSUM, checksumStart: 50, checksumOffset: 10 }],
    ['longer than an IP packet can be', pattern(65_600), { flags: NEEDS_CSUM, gsoType: TCPV4, gsoSize: 1000 }],
  ])('are dropped when they are %s', (_what, frame, header) => {
    const { driver, sent, link } = open();
    driver.send(frame, header);
    expect(sent).toEqual([]);
    expect(link.drops.malformed).toBe(1);
    expect(driver.transmitRing.collect()).toHaveLength(1);
  });

  it('wait while the other end has no room', () => {
    let waits = true;
    const { driver, sent, link } = open({}, 1500, () => waits);
    driver.send(pattern(60));
    expect(sent).toEqual([]);
    expect(driver.transmitRing.collect()).toEqual([]);
    waits = false;
    link.resume();
    expect(sent).toHaveLength(1);
    expect(driver.transmitRing.collect()).toHaveLength(1);
  });

  it('of a flood leave others their turn, and all arrive without another kick', async () => {
    const { driver, sent } = open({ size: 1024 });
    for (let index = 0; index < 500; index++) driver.queue(pattern(60));
    driver.kick();
    expect(sent.length).toBeLessThan(500);
    await eventually(() => sent.length === 500);
  });

  it('can be anything: nothing of it throws, and every buffer comes back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.uint8Array({ minLength: 1, maxLength: 90 }), { minLength: 1, maxLength: 4 })),
        (chains) => {
          const { driver, sent, link } = open();
          for (const pieces of chains.slice(0, 60)) driver.transmitRing.add(pieces, []);
          driver.kick();
          const count = Math.min(60, chains.length);
          expect(driver.transmitRing.collect()).toHaveLength(count);
          expect(sent.length + link.drops.malformed).toBe(count);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('frames to the guest', () => {
  it('lie in its buffers with one interrupt per turn', () => {
    const { driver, link } = open();
    const frames = [60, 1514, 200].map((bytes) => pattern(bytes, bytes));
    enter(() => {
      for (const frame of frames) expect(link.send(frameOf(frame))).toBe(true);
      expect(driver.interrupts[0]).toBe(0);
    });
    expect(driver.interrupts[0]).toBe(1);
    expect(driver.collect().map(({ bytes, header }) => [bytes, header.buffers, header.flags])).toEqual(
      frames.map((bytes) => [bytes, 1, 0]),
    );
  });

  it('of 64 KiB are not cut, and go over as many buffers as it takes', () => {
    const { driver, link } = open({ bufferBytes: 1500 });
    const payload = pattern(64_000);
    expect(enter(() => link.send(tcpFrame(payload, 1460)))).toBe(true);
    const [frame] = driver.collect();
    expect(frame!.header).toEqual({
      flags: NEEDS_CSUM,
      gsoType: TCPV4,
      headerLength: 54,
      gsoSize: 1460,
      checksumStart: 34,
      checksumOffset: 16,
      buffers: Math.ceil((64_054 + 12) / 1500),
    });
    expect(frame!.bytes).toEqual(segment(payload));
  });

  it('are cut and summed for a driver that knows nothing', () => {
    for (const features of [0n, LISTENS, LISTENS | NET_F.GUEST_CSUM]) {
      const { driver, link } = open({ features, bufferBytes: 1700 });
      const payload = pattern(10_000);
      expect(enter(() => link.send(tcpFrame(payload, 1460)))).toBe(true);
      const frames = driver.collect();
      expect(frames.map(({ header: { gsoType, flags } }) => [gsoType, flags])).toEqual(Array(7).fill([0, 0]));
      // Its checksums and lengths are looked at in there.
      const segments = frames.map(({ bytes }) => readSegment(readFrame(bytes)));
      expect(Buffer.concat(segments.map((one) => one.payload))).toEqual(payload);
    }
  });

  it('arrive in whatever buffers there are, for a driver that merges them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 12, max: 3000 }), { minLength: 1, maxLength: 40 }),
        fc.array(fc.integer({ min: 14, max: 1514 }), { minLength: 1, maxLength: 10 }),
        (buffers, frames) => {
          const { driver, link } = open({ buffers: 0 });
          for (const bytes of buffers) driver.receiveRing.add([], [Math.min(bytes, 6), Math.max(bytes - 6, 6)]);
          const taken = frames.filter((bytes) => enter(() => link.send(frameOf(pattern(bytes, bytes)))));
          expect(driver.collect().map(({ bytes }) => bytes)).toEqual(taken.map((bytes) => pattern(bytes, bytes)));
          expect(link.full).toBe(taken.length < frames.length);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('wait for buffers; a kick that was asked for tells when there are some', () => {
    for (const eventIndex of [true, false]) {
      const { driver, link, events } = open({ buffers: 2, eventIndex });
      const send = (): boolean => enter(() => link.send(frameOf(pattern(1000))));
      expect([send(), send(), link.full, send(), link.full]).toEqual([true, true, false, false, true]);
      expect(driver.collect()).toHaveLength(2);
      expect(driver.offer(1)).toBe(true);
      expect(events).toEqual(['drain']);
      expect([link.full, send()]).toEqual([false, true]);
      expect(driver.collect()).toHaveLength(1);
      link.close();
    }
  });

  it('find no driver while there is none, and none of the old one after a reset', () => {
    const { driver, link } = open();
    driver.device.deactivate();
    expect(enter(() => link.send(frameOf(pattern(100))))).toBe(false);
    expect([link.full, link.drops.undeliverable]).toEqual([false, 1]);
    expect(driver.collect()).toEqual([]);
  });

  it('never stay stuck behind a driver that is reset while it has no buffers', () => {
    const { driver, link, events } = open({ buffers: 0 });
    enter(() => link.send(frameOf(pattern(100))));
    expect(link.full).toBe(true);
    driver.device.deactivate();
    expect([link.full, events]).toEqual([false, ['drain']]);
  });

  it('that no buffer of the driver can hold are dropped, and the next goes on', () => {
    const { driver, link } = open({ features: NET_F.MAC, bufferBytes: 500 });
    expect(enter(() => link.send(frameOf(pattern(1000))))).toBe(false);
    expect(link.full).toBe(false);
    expect(enter(() => link.send(frameOf(pattern(400))))).toBe(true);
    expect(driver.collect()).toHaveLength(1);
  });
});

describe('a driver that breaks its rings', () => {
  const FAULT = ['HK_GUEST_FAULT'];

  it('is stopped when it kicks', () => {
    const { driver, sent } = open();
    driver.transmitRing.announce(9999);
    driver.device.notified(1);
    expect(driver.faults).toEqual(FAULT);
    driver.queue(pattern(60));
    driver.device.notified(1);
    expect([driver.faults, sent]).toEqual([FAULT, []]);
  });

  it('harms nobody who sends to it', () => {
    const { driver, link } = open({ buffers: 0 });
    driver.receiveRing.announce(9999);
    const send = (): boolean => enter(() => link.send(frameOf(pattern(100))));
    expect([send(), link.full, send()]).toEqual([false, false, false]);
    expect(driver.faults).toEqual(FAULT);
  });

  it('by buffers without room for a header is stopped', () => {
    const { driver, link } = open({ bufferBytes: 11 });
    expect(enter(() => link.send(frameOf(pattern(100))))).toBe(false);
    expect(driver.faults).toEqual(FAULT);
  });
});

test('tells once that it is closed', () => {
  const { link, events } = open();
  link.close();
  link.close();
  expect(events).toEqual(['close']);
});
