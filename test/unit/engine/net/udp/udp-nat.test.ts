import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import type { Network } from '../../../../../engine/net/network';
import { countDescriptors } from '../../../../support/descriptors';
import { FakeGuest, GUEST_IP, GUEST_IP6, HOST_IP, HOST_IP6 } from '../fixtures/fake-guest';
import {
  type Datagram,
  ICMP,
  ICMPV6,
  naiveChecksum,
  type Packet,
  readDatagram,
  UDP,
  udpBytes,
} from '../fixtures/packets';
import { closeAll, eventually, openNetwork, pattern } from '../fixtures/test-network';

const open: Socket[] = [];
afterEach(() => {
  closeAll();
  for (const socket of open.splice(0)) socket.close();
});

interface Peer {
  readonly socket: Socket;
  readonly port: number;
  next(): Promise<{ readonly payload: Buffer; readonly port: number; readonly address: string }>;
}

async function peerOnHost(address = '127.0.0.1'): Promise<Peer> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1024 * 1024 });
  socket.bind(0, address);
  await once(socket, 'listening');
  open.push(socket);
  const got: { payload: Buffer; port: number; address: string }[] = [];
  socket.on('message', (payload, from) => void got.push({ payload, port: from.port, address: from.address }));
  return {
    socket,
    port: (socket.address() as AddressInfo).port,
    next: async () => {
      await eventually(() => got.length > 0);
      return got.shift()!;
    },
  };
}

function sendTo(
  guest: FakeGuest,
  port: number,
  payload: Uint8Array,
  more: { from?: number; to?: string; hopLimit?: number } = {},
): void {
  const { from = 4000, to = HOST_IP, hopLimit = 64 } = more;
  const body = udpBytes(guest.ip, to, from, port, payload);
  guest.send({ destination: to, protocol: UDP, body, hopLimit });
}

async function answerTo(guest: FakeGuest): Promise<Packet & Datagram> {
  const packet = await guest.packets.next();
  return { ...packet, ...readDatagram(packet) };
}

it.each([
  [GUEST_IP, HOST_IP, '127.0.0.1'],
  [GUEST_IP6, HOST_IP6, '::1'],
])('takes datagrams of %s to %s and the answers back', async (ip, alias, loopback) => {
  const guest = new FakeGuest(openNetwork(), ip);
  const peer = await peerOnHost(loopback);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 1400 }), async (payload) => {
      sendTo(guest, peer.port, payload, { to: alias });
      const heard = await peer.next();
      expect(heard.payload.equals(payload)).toBe(true);
      peer.socket.send(payload, heard.port, loopback);
      const answer = await answerTo(guest);
      expect(answer).toMatchObject({ source: alias, destination: ip, sourcePort: peer.port, destinationPort: 4000 });
      expect(answer.payload.equals(payload)).toBe(true);
    }),
    { numRuns: 25 },
  );
});

it('uses one port of the host for one of the guest, whoever it talks to, and lets anybody answer', async () => {
  const guest = new FakeGuest(openNetwork());
  const [first, second, stranger] = [await peerOnHost(), await peerOnHost(), await peerOnHost()];
  sendTo(guest, first.port, Buffer.from('1'));
  sendTo(guest, second.port, Buffer.from('2'));
  sendTo(guest, first.port, Buffer.from('3'), { from: 4001 });
  const [one, two, three] = [await first.next(), await second.next(), await first.next()];
  expect(two.port).toBe(one.port);
  expect(three.port).not.toBe(one.port);
  stranger.socket.send('from elsewhere', one.port, '127.0.0.1');
  const answer = await answerTo(guest);
  expect(answer).toMatchObject({ source: HOST_IP, sourcePort: stranger.port, destinationPort: 4000 });
});

it.each([
  [GUEST_IP, HOST_IP, '127.0.0.1', 65_507],
  [GUEST_IP6, HOST_IP6, '::1', 65_527],
])('carries the longest datagrams of %s both ways, in fragments', async (ip, alias, loopback, longest) => {
  const v4 = ip === GUEST_IP;
  const guest = new FakeGuest(openNetwork(), ip);
  const peer = await peerOnHost(loopback);
  const payload = pattern(longest);
  const body = udpBytes(ip, alias, 4000, peer.port, payload);
  for (let at = 0; at < body.length; at += 1440) {
    const more = at + 1440 < body.length;
    guest.send({
      destination: alias,
      protocol: UDP,
      body: body.subarray(at, at + 1440),
      fragment: v4 ? (at / 8) | (more ? 0x2000 : 0) : at | (more ? 1 : 0),
      identification: 3,
    });
  }
  const heard = await peer.next();
  expect(heard.payload.equals(payload)).toBe(true);
  peer.socket.send(payload, heard.port, loopback);
  const parts: Packet[] = [];
  do parts.push(await guest.packets.next());
  while ((parts.at(-1)!.fragment & (v4 ? 0x2000 : 1)) !== 0);
  const answer = readDatagram({ body: Buffer.concat(parts.map((part) => part.body)) });
  expect(answer.payload.equals(payload)).toBe(true);
});

it.each([
  [GUEST_IP, HOST_IP, '127.0.0.1'],
  [GUEST_IP6, HOST_IP6, '::1'],
])('keeps the order and the lengths of what %s sends in one go, whoever it is for', async (ip, alias, loopback) => {
  const guest = new FakeGuest(openNetwork(), ip);
  const peers = [await peerOnHost(loopback), await peerOnHost(loopback)] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          bytes: fc.constantFrom(0, 1, 700, 700, 700, 1399, 1400, 1400, 1400),
          peer: fc.constantFrom(0, 0, 0, 1),
          hopLimit: fc.constantFrom(64, 64, 64, 9),
        }),
        { minLength: 1, maxLength: 60 },
      ),
      async (datagrams) => {
        const all = datagrams.map(({ bytes, peer, hopLimit }, index) => {
          const payload = Buffer.from(pattern(bytes, index + 1));
          const body = udpBytes(ip, alias, 4000, peers[peer]!.port, payload);
          return { peer, payload, frame: guest.frame({ destination: alias, protocol: UDP, body, hopLimit }) };
        });
        guest.link.inject(...all.map(({ frame }) => frame));
        for (const { peer, payload } of all) expect((await peers[peer]!.next()).payload.equals(payload)).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

it('brings what the host sends in one go, to a link that cuts nothing', async () => {
  const lengths = [1400, 1400, 1400, 1400, 9, 1400, 1400, 0, 1400, 1401];
  const guest = new FakeGuest(openNetwork());
  const peer = await peerOnHost();
  sendTo(guest, peer.port, Buffer.from('hello'));
  const { port } = await peer.next();
  // One after the other, as `send` of a socket that waits for a name does not keep the order.
  for (const [index, bytes] of lengths.entries()) {
    await new Promise((resolve) => peer.socket.send(pattern(bytes, index + 1), port, '127.0.0.1', resolve));
  }
  for (const [index, bytes] of lengths.entries())
    expect((await answerTo(guest)).payload.equals(pattern(bytes, index + 1))).toBe(true);
});

it('sends nothing that IPv4 cannot hold', async () => {
  const asked: ((payload: Uint8Array) => void)[] = [];
  const service = (_payload: Uint8Array, _flow: unknown, reply: (payload: Uint8Array) => void): void =>
    void asked.push(reply);
  const guest = new FakeGuest(openNetwork({ services: { streams: new Map(), datagrams: new Map([[53, service]]) } }));
  sendTo(guest, 53, Buffer.from('?'), { to: '192.168.65.1' });
  for (const bytes of [65_508, 65_527, 65_528, 65_536, 100_000]) asked[0]!(Buffer.alloc(bytes));
  expect(guest.link.sentFrames).toBe(0);
  asked[0]!(Buffer.alloc(100));
  expect((await answerTo(guest)).payload).toHaveLength(100);
});

it.each([
  [GUEST_IP, HOST_IP, ICMP, '0303', '127.0.0.1'],
  [GUEST_IP6, HOST_IP6, ICMPV6, '0104', '::1'],
])('tells %s when nobody is at a port of %s', async (ip, alias, protocol, typeAndCode, loopback) => {
  const guest = new FakeGuest(openNetwork(), ip);
  const gone = await peerOnHost(loopback);
  open.pop()!.close();
  sendTo(guest, gone.port, Buffer.from('anybody?'), { to: alias });
  const answer = await guest.packets.next();
  expect(answer).toMatchObject({ source: alias, destination: ip, protocol });
  expect(answer.body.subarray(0, 2).toString('hex')).toBe(typeAndCode);
  const quoted = answer.body.subarray(8);
  const udp = quoted.subarray(protocol === ICMP ? 20 : 40);
  expect([udp.readUInt16BE(0), udp.readUInt16BE(2)]).toEqual([4000, gone.port]);
  if (protocol === ICMP) expect(naiveChecksum(quoted.subarray(0, 20))).toBe(0);
});

it('loses no datagram to the error of another', async () => {
  const guest = new FakeGuest(openNetwork());
  const [gone, here] = [await peerOnHost(), await peerOnHost()];
  open.shift()!.close();
  await once(gone.socket, 'close').catch(() => undefined);
  // In one turn: the error waits in the socket when the second is sent.
  const frames = [gone.port, here.port].map((port) =>
    guest.frame({
      destination: HOST_IP,
      protocol: UDP,
      body: udpBytes(GUEST_IP, HOST_IP, 4000, port, Buffer.from('x')),
    }),
  );
  guest.link.inject(...frames);
  expect((await here.next()).payload.toString()).toBe('x');
});

it('answers a guest whose link was replaced', async () => {
  const network = openNetwork();
  const before = new FakeGuest(network);
  const peer = await peerOnHost();
  sendTo(before, peer.port, Buffer.from('before'));
  await peer.next();
  before.link.close();
  const after = new FakeGuest(network);
  sendTo(after, peer.port, Buffer.from('after'));
  const heard = await peer.next();
  peer.socket.send('here', heard.port, '127.0.0.1');
  expect((await answerTo(after)).payload.toString()).toBe('here');
});

it('keeps 1024 source ports; the next makes the quarter that was silent longest go', async () => {
  const before = countDescriptors();
  const network: Network = openNetwork();
  const guest = new FakeGuest(network);
  const peer = await peerOnHost();
  const base = countDescriptors();
  const frame = (from: number, text: string): Buffer =>
    guest.frame({
      destination: HOST_IP,
      protocol: UDP,
      body: udpBytes(GUEST_IP, HOST_IP, from, peer.port, Buffer.from(text)),
    });
  const heard = async (count: number): Promise<Map<string, number>> => {
    const ports = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const { payload, port } = await peer.next();
      ports.set(payload.toString(), port);
    }
    return ports;
  };
  const first = new Map<string, number>();
  for (let from = 10_000; from < 11_024; from += 64) {
    guest.link.inject(...Array.from({ length: 64 }, (_, index) => frame(from + index, `${from + index}`)));
    for (const [text, port] of await heard(64)) first.set(text, port);
  }
  expect(countDescriptors()).toBeLessThanOrEqual(base + 1024);
  // The first is used again, so it is not among the silent ones.
  guest.link.inject(frame(10_000, '10000'));
  await heard(1);
  guest.link.inject(frame(20_000, 'new'));
  await heard(1);
  expect(countDescriptors()).toBeLessThanOrEqual(base + 1024 - 256 + 1);
  guest.link.inject(frame(10_000, '10000'), frame(11_023, '11023'));
  const kept = await heard(2);
  expect([kept.get('10000'), kept.get('11023')]).toEqual([first.get('10000'), first.get('11023')]);
  expect(countDescriptors()).toBeLessThanOrEqual(base + 1024 - 256 + 1);
  closeAll();
  expect(countDescriptors()).toBeLessThanOrEqual(before + 1);
});

it('forgets a source port that is silent, not one that hears', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'hrtime'] });
  try {
    const guest = new FakeGuest(openNetwork({ udpIdleMs: 60_000 }));
    const peer = await peerOnHost();
    sendTo(guest, peer.port, Buffer.from('a'));
    sendTo(guest, peer.port, Buffer.from('b'), { from: 4001 });
    const [a, b] = [await peer.next(), await peer.next()];
    const base = countDescriptors();
    jest.advanceTimersByTime(40_000);
    peer.socket.send('still here', a.port, '127.0.0.1');
    await answerTo(guest);
    jest.advanceTimersByTime(30_000);
    expect(countDescriptors()).toBeLessThanOrEqual(base - 1);
    sendTo(guest, peer.port, Buffer.from('a'));
    expect((await peer.next()).port).toBe(a.port);
    sendTo(guest, peer.port, Buffer.from('b'), { from: 4001 });
    await peer.next();
    expect(b.port).not.toBe(a.port);
    jest.advanceTimersByTime(60_000);
    expect(countDescriptors()).toBeLessThanOrEqual(base - 2);
  } finally {
    jest.useRealTimers();
  }
});
