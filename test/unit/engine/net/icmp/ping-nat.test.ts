import { createSocket } from 'node:dgram';
import fc from 'fast-check';
import type { IpPacket } from '../../../../../engine/net/gateway/ip-packet';
import { PingNat } from '../../../../../engine/net/icmp/ping-nat';
import type { Reactor, Watch } from '../../../../../engine/net/reactor/reactor';
import type { Timer } from '../../../../../engine/net/reactor/timer-heap';
import { type IpAddress, parseAddress } from '../../../../../engine/net/wire/ip-address';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { AF_INET, SOCK_DGRAM, sockets } from '../../../../../native/sockets';
import { FakeGuest, GUEST_IP, HOST_IP } from '../fixtures/fake-guest';
import { ICMP, icmpBytes } from '../fixtures/packets';
import { closeAll, eventually, openNetwork } from '../fixtures/test-network';

const REMOTE = '10.1.2.3';
const ECHO = 8;
const ECHO_REPLY = 0;
const IDENTIFIER = 0x1234;

// Few hosts allow ping sockets (icmp(7)). UDP sockets stand in: what comes to their port is what an answer would be.
const ports: number[] = [];
const descriptors = new Set<number>();
beforeEach(() => {
  const { socket, close } = sockets;
  jest.spyOn(sockets, 'socket').mockImplementation((family, type, protocol) => {
    if (protocol === undefined) return socket(family, type);
    const fd = socket(AF_INET, SOCK_DGRAM);
    sockets.bind(fd, { address: Uint8Array.of(127, 0, 0, 1), port: 0 });
    ports.push(sockets.localAddress(fd).port);
    descriptors.add(fd);
    return fd;
  });
  jest.spyOn(sockets, 'close').mockImplementation((fd) => {
    descriptors.delete(fd);
    close(fd);
  });
});
afterEach(() => {
  closeAll();
  expect(descriptors).toEqual(new Set());
  ports.length = 0;
  jest.restoreAllMocks();
});

function ping(guest: FakeGuest, text: string, identifier = IDENTIFIER): void {
  const rest = Buffer.concat([Buffer.from([identifier >> 8, identifier & 0xff, 0, 1]), Buffer.from(text)]);
  guest.send({ destination: REMOTE, protocol: ICMP, body: icmpBytes(GUEST_IP, REMOTE, ECHO, 0, rest) });
}

/** Answers with an identifier of the kernel's. */
async function answer(port: number, text: string): Promise<void> {
  const socket = createSocket('udp4');
  const message = icmpBytes(REMOTE, GUEST_IP, ECHO_REPLY, 0, Buffer.from(`kern${text}`));
  await new Promise((resolve) => socket.send(message, port, '127.0.0.1', resolve));
  socket.close();
}

it('brings answers back with the identifier of the guest, one socket for each', async () => {
  const guest = new FakeGuest(openNetwork());
  ping(guest, 'a');
  ping(guest, 'b');
  ping(guest, 'c', 7);
  await eventually(() => ports.length === 2);
  await answer(ports[0]!, 'here');
  const packet = await guest.packets.next();
  expect(packet).toMatchObject({ source: HOST_IP, destination: GUEST_IP, protocol: ICMP });
  expect(packet.body[0]).toBe(ECHO_REPLY);
  expect(packet.body.readUInt16BE(4)).toBe(IDENTIFIER);
  expect(packet.body.toString('latin1', 8)).toBe('here');
});

it('answers a guest whose link was replaced', async () => {
  const network = openNetwork();
  const before = new FakeGuest(network);
  ping(before, 'before');
  before.link.close();
  const after = new FakeGuest(network);
  ping(after, 'after');
  expect(ports).toHaveLength(1);
  await answer(ports[0]!, 'here');
  expect((await after.packets.next()).body.toString('latin1', 8)).toBe('here');
});

it('forgets who was silent for a minute the first time it looks, at whatever fraction of a millisecond', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (startMs) => {
      const clock = new FakeClock(startMs);
      const nat = new PingNat({
        reactor: clock as Pick<Reactor, 'nowMs' | 'timer' | 'watch'> as Reactor,
        deliver: () => undefined,
        asSeenByGuest: (address) => address,
        log: () => undefined,
      });
      const source = parseAddress(GUEST_IP) as IpAddress;
      nat.send({ source, buffer: allocatePinned(8), start: 0, end: 8 } as IpPacket, source);
      expect(descriptors.size).toBe(1);
      clock.ring();
      const left = descriptors.size;
      nat.close();
      expect(left).toBe(0);
    }),
  );
});

/** A reactor with one timer, which rings when it was set to. */
class FakeClock {
  #dueMs = Number.NaN;
  #action: () => void = () => undefined;

  constructor(public nowMs: number) {}

  timer(action: () => void): Timer {
    this.#action = action;
    return {
      pending: false,
      set: (dueMs) => {
        this.#dueMs = dueMs;
      },
      clear: () => undefined,
    };
  }

  watch(): Watch {
    return { again: () => undefined, close: () => undefined };
  }

  ring(): void {
    this.nowMs = this.#dueMs;
    this.#action();
  }
}
