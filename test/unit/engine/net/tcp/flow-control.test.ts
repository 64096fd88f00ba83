import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Network, NetworkOptions } from '../../../../../engine/net/network';
import { FakeGuest, type FakeTcp, synOptions } from '../fixtures/fake-guest';
import { ACK, type Segment } from '../fixtures/packets';
import {
  closeAll,
  eventually,
  type HostServer,
  listenOnHost,
  openNetwork,
  pattern,
  readAll,
} from '../fixtures/test-network';

afterEach(closeAll);

const MEBIBYTE = 1024 * 1024;

interface Place {
  readonly network: Network;
  readonly guest: FakeGuest;
  readonly server: HostServer;
}

async function newPlace(options: Partial<NetworkOptions> = {}): Promise<Place> {
  const network = openNetwork(options);
  return { network, guest: new FakeGuest(network), server: await listenOnHost({ pauseOnConnect: true }) };
}

async function open({ guest, server }: Place, port = 4000, scale = 7): Promise<{ tcp: FakeTcp; host: Socket }> {
  const tcp = guest.tcp(port, server.port);
  await tcp.open(synOptions(1460, scale));
  return { tcp, host: await server.connections.next() };
}

const lent = ({ network }: Place): number => network.tcp.statistics.memoryBytes;
const hasPayload = ({ payload }: Segment): boolean => payload.length > 0;
const inTurns = async (turns: number): Promise<void> => {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A guest that sends as fast as its window lets it, until that is closed and stays so; how much that was. */
async function sendUntilClosed(tcp: FakeTcp): Promise<number> {
  const start = tcp.next;
  let edge = tcp.next + 0xffff;
  for (;;) {
    // As a kernel hands it to a tap device: in large pieces.
    while (tcp.next < edge) tcp.write(pattern(16_000).subarray(0, edge - tcp.next), ACK);
    await inTurns(3);
    const last = tcp.segments.waiting.splice(0).at(-1);
    expect(last?.acknowledged ?? tcp.next).toBe(tcp.next);
    const newEdge = last === undefined ? edge : last.acknowledged + last.window * 128;
    // The right edge never moves back by more than the scale hides (RFC 9293 section 3.8.6).
    expect(newEdge).toBeGreaterThan(edge - 128);
    if (newEdge <= edge) return tcp.next - start;
    edge = newEdge;
  }
}

it('closes the window of a guest whose host does not read, within bounds, and opens it again', async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place);
  const bytes = await sendUntilClosed(tcp);
  expect(lent(place)).toBeLessThan(1.2 * MEBIBYTE);
  expect(bytes).toBeGreaterThan(MEBIBYTE);
  let heard = 0;
  host.on('data', (part: Buffer) => {
    heard += part.length;
  });
  host.resume();
  const update = await tcp.segments.next(({ window }) => window * 128 > 256 * 1024);
  expect(update.acknowledged).toBe(tcp.next);
  await eventually(() => heard === bytes);
  expect(lent(place)).toBe(0);
  tcp.write(Buffer.from('more'));
  await eventually(() => heard === bytes + 4);
});

it("answers a guest's probe of a closed window", async () => {
  const place = await newPlace();
  const { tcp } = await open(place);
  await sendUntilClosed(tcp);
  tcp.segments.waiting.length = 0;
  tcp.send(ACK, { sequence: tcp.next - 1 });
  tcp.send(ACK, { payload: pattern(1400) });
  const answers = tcp.segments.waiting.splice(0);
  expect(answers).toHaveLength(2);
  // The scale hides up to 127 bytes of the window from the guest.
  for (const { acknowledged, window } of answers) {
    expect(window).toBe(0);
    expect(acknowledged - tcp.next).toBeLessThan(128);
  }
});

it('holds back a host whose guest does not read', async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place);
  tcp.ack(0);
  let written = 0;
  while (host.write(Buffer.alloc(256 * 1024)) || host.writableLength === 0) {
    written += 256 * 1024;
    await inTurns(3);
    expect(written).toBeLessThan(64 * MEBIBYTE);
  }
  // One segment waits for the window to open, no more.
  expect(lent(place)).toBeLessThanOrEqual(4096);
  expect(host.writableLength).toBeGreaterThan(0);
});

it('probes a closed window, again and again, and goes on when it opens', async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place);
  tcp.ack(0);
  host.write('hello');
  const probe = await tcp.segments.next(hasPayload);
  expect([probe.sequence, probe.payload.toString()]).toEqual([tcp.expected, 'h']);
  tcp.ack(0);
  const again = await tcp.segments.next(hasPayload);
  expect(again).toEqual(probe);
  tcp.ack(0);
  tcp.ack(0xffff);
  const rest = await tcp.segments.next(hasPayload);
  expect(rest).toMatchObject({ sequence: tcp.expected });
  expect(rest.payload.toString()).toBe('hello');
});

it('goes on when the guest takes the byte of a probe', async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place, 4000, 0);
  tcp.window = 0;
  tcp.ack();
  host.write('hello');
  const probe = await tcp.segments.next(hasPayload);
  tcp.accept(probe);
  tcp.ack(2);
  const rest = await tcp.segments.next(hasPayload);
  expect([rest.sequence, rest.payload.toString()]).toEqual([tcp.expected, 'el']);
});

it('sends no crumbs into a window that opens bit by bit', async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place, 4000, 0);
  tcp.ack(3000);
  host.write(pattern(100_000));
  const sizes: number[] = [];
  let got = 0;
  while (got < 60_000) {
    const segment = await tcp.segments.next(hasPayload);
    sizes.push(segment.payload.length);
    got += segment.payload.length;
    tcp.expected = (segment.sequence + segment.payload.length) >>> 0;
    tcp.ack(3000);
  }
  expect(sizes.length).toBeLessThan(80);
});

it('keeps little of connections that stand still, however many there are', async () => {
  const place = await newPlace({ memoryBytes: 2 * MEBIBYTE });
  const stuck: { tcp: FakeTcp; host: Socket }[] = [];
  for (let port = 5000; port < 5100; port++) {
    const one = await open(place, port);
    one.tcp.ack(0);
    one.host.write(pattern(100_000));
    stuck.push(one);
  }
  await inTurns(20);
  expect(lent(place)).toBeLessThan(100 * 4096);
  const { tcp, host } = await open(place);
  host.write(pattern(500_000));
  expect((await tcp.receive(500_000)).equals(pattern(500_000))).toBe(true);
  // And when they move on, nothing is missing.
  const [first] = stuck;
  first!.tcp.window = 0xffff;
  first!.tcp.ack();
  expect((await first!.tcp.receive(100_000)).equals(pattern(100_000))).toBe(true);
});

it('keeps many small pieces in little memory', async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place);
  const piece = pattern(3000);
  for (let count = 0; count < 100; count++) {
    host.write(piece);
    await tcp.segments.next(hasPayload);
  }
  expect(lent(place)).toBeLessThan(1.5 * 300_000);
});

describe('when memory is used up', () => {
  it('nothing is lost and nothing stands still for ever', async () => {
    const place = await newPlace({ memoryBytes: MEBIBYTE });
    const all: { tcp: FakeTcp; host: Socket }[] = [];
    const bytes = 400_000;
    for (let port = 5000; port < 5008; port++) all.push(await open(place, port));
    // Guests that take it all and acknowledge nothing.
    for (const { host } of all) host.end(pattern(bytes));
    await eventually(() => lent(place) >= MEBIBYTE * 0.75);
    await inTurns(20);
    expect(lent(place)).toBeLessThanOrEqual(MEBIBYTE);
    await Promise.all(
      all.map(async ({ tcp, host }) => {
        host.resume();
        for (const segment of tcp.segments.waiting.splice(0)) tcp.automatic = segment.payload.length >= 0;
        expect((await tcp.receive(bytes)).equals(pattern(bytes))).toBe(true);
        tcp.sendFin();
      }),
    );
    await eventually(() => lent(place) === 0);
  });

  it('by guests whose hosts do not read, other guests still hear', async () => {
    const place = await newPlace({ memoryBytes: MEBIBYTE });
    const stuck = await Promise.all([5000, 5001, 5002, 5003].map((port) => open(place, port)));
    // More than the hosts' buffers hold, said until nothing of it is taken.
    for (const { tcp } of stuck) {
      for (let refusals = 0; refusals < 3; ) {
        const before = tcp.next;
        for (let count = 0; count < 4; count++) tcp.write(pattern(16_000), ACK);
        await inTurns(2);
        tcp.next = tcp.segments.waiting.splice(0).at(-1)?.acknowledged ?? before;
        if (tcp.next === before) refusals++;
      }
    }
    expect(lent(place)).toBeGreaterThan(0.75 * MEBIBYTE);
    const { tcp, host } = await open(place, 6000);
    host.write(pattern(300_000));
    expect((await tcp.receive(300_000)).equals(pattern(300_000))).toBe(true);
    const heard = readAll(host);
    tcp.write(Buffer.from('and are heard'));
    tcp.sendFin();
    expect((await heard).toString()).toBe('and are heard');
  });

  it('by small pieces, large ones still find room', async () => {
    const place = await newPlace({ memoryBytes: MEBIBYTE });
    const small: { tcp: FakeTcp; host: Socket }[] = [];
    for (let port = 5000; port < 5020; port++) small.push(await open(place, port));
    for (const { host } of small) host.write('x');
    await eventually(() => small.every(({ tcp }) => tcp.segments.waiting.some(hasPayload)));
    const { tcp, host } = await open(place);
    host.write(pattern(300_000));
    expect((await tcp.receive(300_000)).equals(pattern(300_000))).toBe(true);
    for (const one of small) expect(one.host.destroyed).toBe(false);
  });
});

describe('a link that is full', () => {
  it('holds back what is for its guest, and is used by all alike when it has room', async () => {
    const place = await newPlace();
    const all: { tcp: FakeTcp; host: Socket }[] = [];
    for (let port = 5000; port < 5004; port++) all.push(await open(place, port));
    const { link } = place.guest;
    link.full = true;
    for (const { host } of all) host.write(pattern(1_000_000));
    await inTurns(20);
    const before = link.sentFrames;
    // Room for thirty frames each time.
    const take = link.onFrame!;
    let room = 0;
    link.onFrame = (frame) => {
      room -= 1;
      if (room <= 0) link.full = true;
      take(frame);
    };
    for (const { tcp } of all) tcp.automatic = true;
    for (let round = 0; round < 12; round++) {
      room = 30;
      link.drain();
    }
    expect(link.sentFrames).toBeGreaterThan(before);
    const counts = all.map(({ tcp }) => tcp.receivedBytes);
    expect(Math.min(...counts)).toBeGreaterThan(Math.max(...counts) / 4);
    link.onFrame = take;
    link.drain();
    await Promise.all(all.map(({ tcp }) => tcp.receive(1_000_000)));
  });

  it('does not make what it holds back look lost', async () => {
    const place = await newPlace();
    const { tcp, host } = await open(place);
    host.write(pattern(5000));
    await tcp.segments.next(hasPayload);
    place.guest.link.full = true;
    const before = place.guest.link.sentFrames;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(place.guest.link.sentFrames).toBe(before);
    place.guest.link.drain();
    expect(await tcp.receive(5000)).toEqual(pattern(5000));
  });
});

it("fills the host's buffer before it makes a guest wait", async () => {
  const place = await newPlace();
  const { tcp, host } = await open(place);
  for (let count = 0; count < 40; count++) tcp.write(pattern(1400));
  expect(lent(place)).toBe(0);
  host.resume();
  await once(host, 'data');
});
