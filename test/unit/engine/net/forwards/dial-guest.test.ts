import { readdirSync } from 'node:fs';
import { dialGuest } from '../../../../../engine/net/forwards/dial-guest';
import type { Network } from '../../../../../engine/net/network';
import { FakeGuest, GATEWAY_IP, GUEST_IP, synOptions } from '../fixtures/fake-guest';
import { ACK, type Packet, RST, readSegment, type Segment, SYN, TCP, tcpBytes } from '../fixtures/packets';
import { closeAll, openNetwork, readAll } from '../fixtures/test-network';

afterEach(closeAll);

const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** A guest that is up; what calls it gets no port of its own before it calls, so segments come as packets. */
function guestOf(network: Network): FakeGuest {
  const guest = new FakeGuest(network);
  guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
  return guest;
}

async function called(guest: FakeGuest): Promise<Packet & Segment> {
  const packet = await guest.packets.next(({ protocol }) => protocol === TCP);
  return { ...packet, ...readSegment(packet) };
}

function answer(guest: FakeGuest, syn: Packet & Segment, flags: number, sequence = 1000): void {
  const body = tcpBytes(GUEST_IP, syn.source, {
    sourcePort: syn.destinationPort,
    destinationPort: syn.sourcePort,
    sequence,
    acknowledged: (syn.sequence + 1) >>> 0,
    flags,
    window: 0xffff,
    options: (flags & SYN) !== 0 ? synOptions(1460, 7) : new Uint8Array(),
  });
  guest.send({ destination: syn.source, protocol: TCP, body });
}

it('resolves when the guest has accepted, not before', async () => {
  const network = openNetwork();
  const guest = guestOf(network);
  let isOpen = false;
  const dialled = dialGuest(network, { address: GUEST_IP, port: 80 }).then((stream) => {
    isOpen = true;
    return stream;
  });
  const syn = await called(guest);
  expect([syn.flags, syn.destinationPort, isOpen]).toEqual([SYN, 80, false]);
  answer(guest, syn, SYN | ACK);
  const stream = await dialled;
  stream.write('hello');
  const said = await guest.packets.next((packet) => readSegment(packet).payload.length > 0);
  expect(readSegment(said).payload.toString()).toBe('hello');
  answer(guest, syn, RST | ACK, 1001);
  stream.on('error', () => undefined);
  expect((await readAll(stream as never)).length).toBe(0);
});

it('rejects when the guest refuses, is not there, or goes meanwhile, and leaves nothing', async () => {
  const network = openNetwork();
  const guest = guestOf(network);
  const before = descriptors();
  const refused = dialGuest(network, { address: GUEST_IP, port: 80 });
  const refusal = expect(refused).rejects.toMatchObject({ code: 'HK_FORWARD_FAILED' });
  answer(guest, await called(guest), RST | ACK, 0);
  await refusal;
  await expect(dialGuest(network, { address: '192.168.65.99', port: 80 })).rejects.toThrow('there is no such guest');
  await expect(dialGuest(network, { address: 'guest', port: 80 })).rejects.toThrow('there is no such guest');
  const gone = dialGuest(network, { address: GUEST_IP, port: 80 });
  await called(guest);
  guest.link.close();
  await expect(gone).rejects.toThrow('the guest refused, or is gone');
  expect(descriptors()).toBeLessThanOrEqual(before);
});

it('gives up after half a minute, and what comes later ends at once', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  try {
    const network = openNetwork();
    const guest = guestOf(network);
    const late = dialGuest(network, { address: GUEST_IP, port: 80 });
    const rejected = expect(late).rejects.toThrow('the guest did not answer within 30 s');
    const syn = await called(guest);
    jest.advanceTimersByTime(30_001);
    await rejected;
    answer(guest, syn, SYN | ACK);
    const end = await guest.packets.next(
      (packet) => packet.protocol === TCP && (readSegment(packet).flags & SYN) === 0,
    );
    expect(end.body.length).toBeGreaterThan(0);
  } finally {
    jest.useRealTimers();
  }
});
