import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Network } from '../../../../../engine/net/network';
import { parseAddress } from '../../../../../engine/net/wire/ip-address';
import { sockets } from '../../../../../native/sockets';
import { FakeGuest, type FakeTcp, GATEWAY_IP, GUEST_IP } from '../fixtures/fake-guest';
import { ACK, FIN, RST, type Segment, SYN } from '../fixtures/packets';
import { closeAll, eventually, openNetwork } from '../fixtures/test-network';

// Minutes pass in these: the reactor's clock and Node's timers are the test's, descriptors are real.
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask', 'hrtime'] });
});
afterEach(() => {
  closeAll();
  jest.useRealTimers();
});

const MINUTE = 60_000;
const hasPayload = ({ payload }: Segment): boolean => payload.length > 0;

async function listen(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function open(): Promise<{ network: Network; tcp: FakeTcp; host: Socket; closed: Promise<unknown> }> {
  const network = openNetwork();
  const accepted: Socket[] = [];
  const server = await listen((socket) => void accepted.push(socket));
  const tcp = new FakeGuest(network).tcp(4000, (server.address() as AddressInfo).port);
  await tcp.open();
  await eventually(() => accepted.length === 1);
  server.close();
  const [host] = accepted as [Socket];
  host.on('error', () => undefined).resume();
  return { network, tcp, host, closed: new Promise((resolve) => host.once('close', resolve)) };
}

/** Lets a time pass in steps, in which the guest may answer. */
function pass(ms: number, each: () => void = () => undefined): void {
  for (let left = ms; left > 0; left -= 100) {
    jest.advanceTimersByTime(Math.min(100, left));
    each();
  }
}

it('asks a silent guest after five minutes whether it is there, and is content with an answer', async () => {
  const { network, tcp } = await open();
  for (let round = 0; round < 3; round++) {
    tcp.segments.waiting.length = 0;
    pass(5 * MINUTE - 1000);
    expect(tcp.segments.waiting).toEqual([]);
    pass(2000);
    expect(tcp.segments.waiting).toHaveLength(1);
    expect(tcp.segments.waiting[0]).toMatchObject({ flags: ACK, sequence: tcp.expected - 1, acknowledged: tcp.next });
    tcp.ack();
  }
  expect(network.tcp.statistics.connections).toBe(1);
});

it('gives up a guest that does not answer, and tells the host', async () => {
  const { network, tcp, closed } = await open();
  pass(5 * MINUTE + 8 * 30_000 + 1000);
  expect(tcp.segments.waiting.filter(({ flags }) => flags === ACK)).toHaveLength(9);
  expect(network.tcp.statistics.connections).toBe(1);
  pass(30_000);
  expect(network.tcp.statistics.connections).toBe(0);
  expect(tcp.segments.waiting.at(-1)!.flags & RST).toBe(RST);
  await closed;
});

it('does not ask a guest that talks', async () => {
  const { tcp } = await open();
  pass(20 * MINUTE, () => undefined);
  tcp.segments.waiting.length = 0;
  const talk = await open();
  let since = 0;
  pass(20 * MINUTE, () => {
    since += 100;
    if (since % MINUTE === 0) talk.tcp.ack();
  });
  expect(talk.tcp.segments.waiting).toEqual([]);
});

it('sends again, ever more seldom, and gives up in the end', async () => {
  const { network, tcp, host, closed } = await open();
  host.write('hello?');
  await tcp.segments.next(hasPayload);
  const times: number[] = [];
  let now = 0;
  pass(15 * MINUTE, () => {
    now += 100;
    if (tcp.segments.waiting.splice(0).some(hasPayload)) times.push(now);
  });
  expect(times).toHaveLength(12);
  const gaps = times.slice(1).map((time, index) => time - times[index]!);
  expect(gaps.every((gap, index) => index === 0 || gap >= gaps[index - 1]! - 100)).toBe(true);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(60_100);
  expect(network.tcp.statistics).toMatchObject({ connections: 0, memoryBytes: 0 });
  await closed;
});

it('keeps a connection whose window is closed for hours, as long as the guest answers', async () => {
  const { network, tcp, host } = await open();
  tcp.window = 0;
  tcp.ack();
  host.write('hello');
  await eventually(() => network.tcp.statistics.memoryBytes > 0);
  let probes = 0;
  pass(120 * MINUTE, () => {
    for (const _probe of tcp.segments.waiting.splice(0).filter(hasPayload)) {
      probes++;
      tcp.ack();
    }
  });
  expect(probes).toBeGreaterThan(100);
  expect(network.tcp.statistics.connections).toBe(1);
  // The probes don't count against the segments that are sent, and lost, after the window has opened.
  tcp.window = 1000;
  tcp.ack();
  tcp.segments.waiting.length = 0;
  pass(2000);
  expect(tcp.segments.waiting.filter(hasPayload).length).toBeGreaterThan(1);
  expect(network.tcp.statistics.connections).toBe(1);
});

it('gives up one whose window is closed when the guest is silent', async () => {
  const { network, tcp, host, closed } = await open();
  tcp.ack(0);
  host.write('hello');
  await eventually(() => network.tcp.statistics.memoryBytes > 0);
  pass(20 * MINUTE);
  expect(network.tcp.statistics).toMatchObject({ connections: 0, memoryBytes: 0 });
  await closed;
});

it('sends the SYN-ACK five times more, then gives up', async () => {
  const network = openNetwork();
  const server = await listen((socket) => void socket.on('error', () => undefined));
  const tcp = new FakeGuest(network).tcp(4000, (server.address() as AddressInfo).port);
  tcp.send(SYN);
  await tcp.segments.next();
  pass(3 * MINUTE);
  expect(tcp.segments.waiting.filter(({ flags }) => flags === (SYN | ACK))).toHaveLength(5);
  expect(network.tcp.statistics.connections).toBe(0);
  server.close();
});

it('forgets a connection that ended two seconds later', async () => {
  const { network, tcp, host, closed } = await open();
  host.end();
  tcp.accept(await tcp.segments.next(({ flags }) => (flags & FIN) !== 0));
  tcp.sendFin();
  await closed;
  pass(1900);
  expect(network.tcp.statistics.connections).toBe(1);
  pass(200);
  expect(network.tcp.statistics.connections).toBe(0);
});

it('calls a guest that does not answer for a minute', async () => {
  const network = openNetwork();
  const guest = new FakeGuest(network);
  guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
  const tcp = guest.tcp(22, 5555);
  const [ours, theirs] = sockets.pair();
  const from = { address: parseAddress('127.0.0.1')!, port: 5555 };
  expect(network.connectToGuest(ours, from, parseAddress(GUEST_IP)!, 22)).toBe(true);
  pass(MINUTE - 1000);
  expect(network.tcp.statistics.connections).toBe(1);
  expect(tcp.segments.waiting.length).toBeGreaterThan(200);
  expect(new Set(tcp.segments.waiting.map(({ flags, sequence }) => `${flags} ${sequence}`)).size).toBe(1);
  pass(2000);
  expect(network.tcp.statistics.connections).toBe(0);
  sockets.close(theirs);
});
