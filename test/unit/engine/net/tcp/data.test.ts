import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Network } from '../../../../../engine/net/network';
import { FakeGuest, type FakeTcp, synOptions } from '../fixtures/fake-guest';
import { ACK, FIN, PSH, RST, type Segment, SYN } from '../fixtures/packets';
import { closeAll, eventually, listenOnHost, openNetwork, pattern, readAll } from '../fixtures/test-network';

afterEach(closeAll);

interface Opened {
  readonly network: Network;
  readonly tcp: FakeTcp;
  readonly host: Socket;
}

async function open(options = synOptions(1460, 7), firstSequence = 1000): Promise<Opened> {
  const network = openNetwork();
  const server = await listenOnHost();
  const tcp = new FakeGuest(network).tcp(4000, server.port);
  tcp.next = firstSequence;
  await tcp.open(options);
  return { network, tcp, host: await server.connections.next() };
}

const hasPayload = ({ payload }: Segment): boolean => payload.length > 0;
const hasFin = ({ flags }: Segment): boolean => (flags & FIN) !== 0;

describe('bytes', () => {
  it.each([
    ['large', 1460],
    ['of an old modem', 536],
    ['tiny', 64],
    ['odd', 1337],
  ])('arrive both ways with %s segments', async (_name, mss) => {
    const { tcp, host, network } = await open(synOptions(mss, 7));
    const sent = pattern(300_000);
    host.write(sent);
    const sizes = new Set<number>();
    const take = tcp.take.bind(tcp);
    tcp.take = (segment) => {
      sizes.add(segment.payload.length);
      take(segment);
    };
    expect((await tcp.receive(sent.length)).equals(sent)).toBe(true);
    expect(Math.max(...sizes)).toBe(mss);
    const heard = readAll(host);
    for (let at = 0; at < sent.length; at += 1000) tcp.write(sent.subarray(at, at + 1000));
    tcp.sendFin();
    expect((await heard).equals(sent)).toBe(true);
    expect(network.tcp.statistics.memoryBytes).toBe(0);
  });

  it('are never sent in segments below 64 bytes, whatever the guest says', async () => {
    const { tcp, host } = await open(synOptions(1, 7));
    host.write(Buffer.alloc(640));
    tcp.automatic = true;
    const first = await tcp.segments.next(hasPayload);
    expect(first.payload).toHaveLength(64);
  });

  it('pass where sequence numbers begin again at zero', async () => {
    const { tcp, host } = await open(synOptions(1460, 7), 0xffff_fff0);
    const sent = pattern(100_000);
    const heard = readAll(host);
    for (let at = 0; at < sent.length; at += 1460) tcp.write(sent.subarray(at, at + 1460));
    tcp.sendFin();
    expect((await heard).equals(sent)).toBe(true);
    expect(tcp.next).toBeLessThan(200_000);
    const last = await tcp.segments.next(({ acknowledged }) => acknowledged === tcp.next);
    expect(last.flags).toBe(ACK);
  });

  it('are acknowledged once a turn', async () => {
    const { tcp, host } = await open();
    const heard = readAll(host);
    const frames = Array.from({ length: 10 }, (_, index) =>
      tcp.frame(ACK, { sequence: tcp.next + 100 * index, payload: pattern(100, index) }),
    );
    tcp.guest.link.inject(...frames);
    expect(tcp.segments.waiting.map(({ flags, acknowledged }) => [flags, acknowledged])).toEqual([
      [ACK, tcp.next + 1000],
    ]);
    tcp.next += 1000;
    tcp.sendFin();
    expect(await heard).toHaveLength(1000);
  });

  it('that come twice count once', async () => {
    const { tcp, host } = await open();
    const heard = readAll(host);
    const first = tcp.frame(ACK, { payload: Buffer.from('one ') });
    tcp.guest.link.inject(first, first);
    tcp.next += 4;
    // Half of it is old.
    tcp.send(ACK, { sequence: tcp.next - 2, payload: Buffer.from('e two') });
    tcp.next += 3;
    tcp.guest.link.inject(first);
    tcp.sendFin();
    expect((await heard).toString()).toBe('one two');
  });

  it('that come too early are kept, and what is missing is asked for at once', async () => {
    const { tcp, host, network } = await open();
    const heard = readAll(host);
    const start = tcp.next;
    tcp.send(ACK, { sequence: start + 8, payload: Buffer.from('three ') });
    tcp.send(ACK, { sequence: start + 4, payload: Buffer.from('two three') });
    tcp.send(ACK | FIN, { sequence: start + 14 });
    expect(tcp.segments.waiting.splice(0).map(({ acknowledged }) => acknowledged)).toEqual([start, start, start]);
    expect(network.tcp.statistics.memoryBytes).toBeGreaterThan(0);
    tcp.write(Buffer.from('one '));
    expect((await tcp.segments.next()).acknowledged).toBe(start + 14);
    tcp.next = start + 14;
    tcp.sendFin();
    expect((await heard).toString()).toBe('one two three ');
    expect(network.tcp.statistics.memoryBytes).toBe(0);
  });

  it('that come too early are acknowledged selectively, to guests that understand (RFC 2018)', async () => {
    const { tcp } = await open(Buffer.concat([synOptions(1460, 7), Buffer.from([4, 2])]));
    const start = tcp.next;
    const blocks = (): string | undefined => tcp.segments.waiting.splice(0).at(-1)?.options.toString('hex');
    const block = (from: number, to: number): string =>
      [from, to].map((at) => (start + at).toString(16).padStart(8, '0')).join('');
    tcp.send(ACK, { sequence: start + 100, payload: pattern(100) });
    expect(blocks()).toBe(`0101050a${block(100, 200)}`);
    tcp.send(ACK, { sequence: start + 300, payload: pattern(100) });
    expect(blocks()).toBe(`01010512${block(300, 400)}${block(100, 200)}`);
    tcp.send(ACK, { sequence: start + 200, payload: pattern(100) });
    expect(blocks()).toBe(`0101050a${block(100, 400)}`);
    tcp.send(ACK, { payload: pattern(100) });
    expect(blocks()).toBe('');
  });

  it('that come too early are kept within bounds, and forgotten with the connection', async () => {
    const { tcp, network } = await open();
    const early = Array.from({ length: 2000 }, (_, count) =>
      tcp.frame(ACK, { sequence: tcp.next + 500 * (count + 1), payload: pattern(500) }),
    );
    tcp.guest.link.inject(...early);
    expect(network.tcp.statistics.memoryBytes).toBeLessThanOrEqual(1024 * 1024);
    tcp.send(RST);
    expect(network.tcp.statistics).toMatchObject({ connections: 0, memoryBytes: 0 });
  });

  it('beyond the window are cut off', async () => {
    const { tcp, host } = await open(synOptions(1460, undefined));
    const heard = readAll(host);
    tcp.send(ACK, { sequence: tcp.next + 0x2_0000, payload: Buffer.from('far') });
    tcp.send(ACK, { sequence: tcp.next - 0x2_0000, payload: Buffer.from('old') });
    expect(tcp.segments.waiting.every(({ acknowledged }) => acknowledged === tcp.next)).toBe(true);
    tcp.write(Buffer.from('ok'));
    tcp.sendFin();
    expect((await heard).toString()).toBe('ok');
  });

  it('of a guest without window scaling never exceed what it can be told', async () => {
    const { tcp, host } = await open(synOptions(1460, undefined));
    host.pause();
    tcp.write(Buffer.from('x'));
    const { window } = await tcp.segments.next();
    expect(window).toBe(0xffff);
    host.write(Buffer.alloc(200_000));
    let unacknowledged = 0;
    for (const segment of tcp.segments.waiting) unacknowledged += segment.payload.length;
    expect(unacknowledged).toBeLessThanOrEqual(0xffff);
  });

  it.each([
    [0, 1000],
    [7, 5],
    [14, 1],
  ])('respect a window scaled by %d', async (scale, window) => {
    const { tcp, host } = await open(synOptions(1460, scale));
    tcp.ack(window);
    host.end(Buffer.alloc(window * 2 ** scale + 5000));
    let sent = 0;
    while (sent < window << scale) sent += (await tcp.segments.next(hasPayload)).payload.length;
    expect(sent).toBe(window << scale);
    // The next thing is the probe of a window that is closed.
    tcp.ack(0);
    expect((await tcp.segments.next(hasPayload)).payload).toHaveLength(1);
  });
});

describe('ends', () => {
  it('of the host first: the guest goes on', async () => {
    const { tcp, host, network } = await open();
    host.end('last');
    const bytes = await tcp.segments.next(hasPayload);
    tcp.accept(bytes);
    if (!hasFin(bytes)) tcp.accept(await tcp.segments.next(hasFin));
    const heard = readAll(host);
    tcp.write(pattern(5000).subarray(0, 1400));
    tcp.write(pattern(5000).subarray(1400, 2800));
    tcp.sendFin();
    expect(await heard).toEqual(pattern(5000).subarray(0, 2800));
    expect((await tcp.segments.next(({ acknowledged }) => acknowledged === tcp.next)).flags).toBe(ACK);
    expect(network.tcp.statistics.memoryBytes).toBe(0);
  });

  it('of the guest first: the host goes on', async () => {
    const { tcp, host, network } = await open();
    tcp.send(FIN | ACK | PSH, { payload: Buffer.from('bye') });
    tcp.next += 4;
    expect((await readAll(host)).toString()).toBe('bye');
    const closed = once(host, 'close');
    host.end(pattern(50_000));
    expect(await tcp.receive(50_000)).toEqual(pattern(50_000));
    await closed;
    await eventually(() => tcp.ended && network.tcp.statistics.memoryBytes === 0);
  });

  it('of both at once', async () => {
    const { tcp, host, network } = await open();
    const closed = once(host, 'close');
    host.resume().end();
    const fin = await tcp.segments.next(hasFin);
    // The guest's FIN is on its way and acknowledges nothing of it.
    tcp.sendFin();
    await tcp.segments.next(({ acknowledged }) => acknowledged === tcp.next);
    tcp.accept(fin);
    await closed;
    // A late copy of the guest's FIN is still answered.
    tcp.send(FIN | ACK, { sequence: tcp.next - 1 });
    expect(await tcp.segments.next()).toMatchObject({ flags: ACK, acknowledged: tcp.next });
    expect(network.tcp.statistics.connections).toBe(1);
  });

  it('by a reset of the guest reach the host as one', async () => {
    const { tcp, host, network } = await open();
    host.resume();
    const failed = once(host, 'error');
    tcp.send(RST);
    const [error] = (await failed) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect(network.tcp.statistics).toMatchObject({ connections: 0, memoryBytes: 0 });
  });

  it('by a reset of the host reach the guest as one', async () => {
    const { tcp, host, network } = await open();
    tcp.write(Buffer.from('x'));
    await once(host, 'data');
    host.resetAndDestroy();
    const reset = await tcp.segments.next(({ flags }) => (flags & RST) !== 0);
    expect(reset).toMatchObject({ flags: RST | ACK, sequence: tcp.expected, acknowledged: tcp.next });
    expect(network.tcp.statistics.connections).toBe(0);
  });

  it('by a reset when the guest writes to a host that left', async () => {
    const { tcp, host, network } = await open();
    host.destroy();
    tcp.accept(await tcp.segments.next(hasFin));
    tcp.write(Buffer.from('anybody?'));
    await tcp.segments.next(({ flags }) => (flags & RST) !== 0);
    expect(network.tcp.statistics.connections).toBe(0);
  });

  it('not by resets that miss the next number (RFC 5961)', async () => {
    const { tcp, host, network } = await open();
    tcp.send(RST, { sequence: tcp.next + 1 });
    expect(await tcp.segments.next()).toMatchObject({ flags: ACK, acknowledged: tcp.next });
    tcp.send(RST, { sequence: tcp.next - 1 });
    tcp.send(RST, { sequence: tcp.next + 0x20_0000 });
    tcp.send(SYN);
    expect(await tcp.segments.next()).toMatchObject({ flags: ACK, acknowledged: tcp.next });
    expect(tcp.segments.waiting).toEqual([]);
    expect(network.tcp.statistics.connections).toBe(1);
    tcp.write(Buffer.from('still here'));
    await once(host, 'data');
  });

  it('while connecting only by a reset with the right number', async () => {
    const network = openNetwork();
    const server = await listenOnHost();
    const tcp = new FakeGuest(network).tcp(4000, server.port);
    tcp.guest.link.inject(tcp.frame(SYN), tcp.frame(RST, { sequence: 5 }));
    expect((await tcp.segments.next()).flags).toBe(SYN | ACK);
  });
});

describe('acknowledgments', () => {
  it('of what was never sent are answered, and nothing of the segment counts', async () => {
    const { tcp, host } = await open();
    const heard = readAll(host);
    tcp.send(ACK | PSH, { acknowledged: tcp.expected + 1, payload: Buffer.from('bad') });
    expect(await tcp.segments.next()).toMatchObject({ flags: ACK, acknowledged: tcp.next });
    tcp.write(Buffer.from('good'));
    tcp.sendFin();
    expect((await heard).toString()).toBe('good');
  });

  it('of what was never sent during the hand-shake are reset', async () => {
    const network = openNetwork();
    const server = await listenOnHost();
    const tcp = new FakeGuest(network).tcp(4000, server.port);
    tcp.send(SYN);
    tcp.next++;
    await tcp.segments.next();
    tcp.send(ACK, { acknowledged: 99 });
    expect(await tcp.segments.next()).toMatchObject({ flags: RST, sequence: 99 });
  });

  it('that are old change nothing', async () => {
    const { tcp, host } = await open();
    host.write('one');
    const one = await tcp.segments.next(hasPayload);
    tcp.accept(one);
    host.write('two');
    const two = await tcp.segments.next(hasPayload);
    expect(two.sequence).toBe((one.sequence + 3) >>> 0);
    for (let count = 0; count < 5; count++) tcp.send(ACK, { acknowledged: one.sequence });
    expect(tcp.segments.waiting).toEqual([]);
    expect(tcp.accept(two).toString()).toBe('two');
  });

  it('are wanted in every segment', async () => {
    const { tcp, host } = await open();
    const heard = readAll(host);
    tcp.send(PSH, { payload: Buffer.from('none') });
    tcp.write(Buffer.from('some'));
    tcp.sendFin();
    expect((await heard).toString()).toBe('some');
  });
});
