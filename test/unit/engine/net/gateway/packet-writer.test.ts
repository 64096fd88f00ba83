import fc from 'fast-check';
import { PacketWriter } from '../../../../../engine/net/gateway/packet-writer';
import type { FrameReceiver } from '../../../../../engine/net/link/link';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { parseAddress } from '../../../../../engine/net/wire/ip-address';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { GATEWAY_IP, GATEWAY_IP6, GATEWAY_MAC, GUEST_IP, GUEST_IP6, GUEST_MAC } from '../fixtures/fake-guest';
import { MemoryLink } from '../fixtures/memory-link';
import { checkTransport, macNumber, type Packet, readDatagram, readFrame, UDP } from '../fixtures/packets';
import { pattern } from '../fixtures/test-network';

let reactor: Reactor;
let link: MemoryLink;
beforeEach(() => {
  reactor = new Reactor();
  const nobody: FrameReceiver = () => undefined;
  link = new MemoryLink(reactor, nobody);
});
afterEach(() => reactor.close());

const payload = allocatePinned(66_000);

function send(writer: PacketWriter, bytes: Uint8Array, v6 = false): boolean {
  payload.bytes.set(bytes, 11);
  const [source, destination] = v6 ? [GATEWAY_IP6, GUEST_IP6] : [GATEWAY_IP, GUEST_IP];
  const neighbour = { mac: macNumber(GUEST_MAC), link, present: true };
  const offset = writer.begin(neighbour, parseAddress(source)!, parseAddress(destination)!, UDP, 33);
  writer.view.setUint16(offset, 53);
  writer.view.setUint16(offset + 2, 4000);
  writer.view.setUint16(offset + 4, 8 + bytes.length);
  return writer.sendDatagram(link, 8, 6, payload, 11, bytes.length);
}

const sent = (): Packet[] => link.early.splice(0).map(readFrame);

it('sends datagrams of any size in packets of the MTU, which say together what was sent', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 64_000, max: 65_507 })),
      fc.integer({ min: 576, max: 9000 }),
      (bytes, mtu) => {
        const data = pattern(bytes, bytes + mtu);
        expect(send(new PacketWriter(macNumber(GATEWAY_MAC), mtu), data)).toBe(true);
        const packets = sent();
        let next = 0;
        for (const [index, packet] of packets.entries()) {
          expect(packet.bytes.length).toBeLessThanOrEqual(mtu);
          expect(packet).toMatchObject({
            source: GATEWAY_IP,
            destination: GUEST_IP,
            hopLimit: 33,
            destinationMac: GUEST_MAC,
          });
          expect(packet.identification).toBe(packets[0]!.identification);
          if (packets.length === 1) expect(packet.fragment).toBe(0x4000);
          else expect(packet.fragment).toBe((next / 8) | (index < packets.length - 1 ? 0x2000 : 0));
          next += packet.body.length;
        }
        expect(next).toBe(bytes + 8);
        const whole = { ...packets[0]!, body: Buffer.concat(packets.map(({ body }) => body)) };
        checkTransport(whole);
        expect(readDatagram(whole).payload.equals(data)).toBe(true);
      },
    ),
    { numRuns: 25 },
  );
});

it('does so over IPv6', () => {
  const writers = new Map([576, 1280, 1500, 9000].map((mtu) => [mtu, new PacketWriter(macNumber(GATEWAY_MAC), mtu)]));
  const numbers = new Set<string>();
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 64_000, max: 65_527 })),
      fc.constantFrom(...writers.keys()),
      (bytes, mtu) => {
        const data = pattern(bytes, bytes + mtu);
        expect(send(writers.get(mtu)!, data, true)).toBe(true);
        const packets = sent();
        let next = 0;
        for (const [index, packet] of packets.entries()) {
          expect(packet.bytes.length).toBeLessThanOrEqual(mtu);
          const more = index < packets.length - 1;
          expect(packet).toMatchObject({ source: GATEWAY_IP6, destination: GUEST_IP6, hopLimit: 33, protocol: UDP });
          expect(packet.identification).toBe(packets[0]!.identification);
          expect(packet.fragment).toBe(packets.length === 1 ? 0 : next | (more ? 1 : 0));
          if (more) expect(packet.body.length % 8).toBe(0);
          next += packet.body.length;
        }
        expect(packets.length > 1).toBe(bytes + 48 > mtu);
        if (packets.length > 1) {
          const number = `${mtu} ${packets[0]!.identification}`;
          expect(numbers.has(number)).toBe(false);
          numbers.add(number);
        }
        const whole = { ...packets[0]!, body: Buffer.concat(packets.map(({ body }) => body)) };
        checkTransport(whole);
        expect(readDatagram(whole).payload.equals(data)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

it('gives each packet a number of its own', () => {
  const writer = new PacketWriter(macNumber(GATEWAY_MAC), 1500);
  for (const bytes of [10, 5000, 10, 10]) send(writer, pattern(bytes));
  const numbers = new Set(sent().map(({ identification }) => identification));
  expect(numbers.size).toBe(4);
});

it('stops at the first fragment that finds no room', () => {
  const writer = new PacketWriter(macNumber(GATEWAY_MAC), 1500);
  link.onFrame = () => {
    link.accepts = false;
  };
  expect(send(writer, pattern(5000))).toBe(false);
  expect(link.sentFrames).toBe(1);
});
