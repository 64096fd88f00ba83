import fc from 'fast-check';
import { eachDatagram } from '../../../../../engine/net/link/datagram-cut';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { ethernetFrame, ipPacket, TCP, UDP, udpBytes } from '../fixtures/packets';
import { pattern } from '../fixtures/test-network';

const MACS = ['f6:16:36:bc:f9:c6', '02:50:00:00:00:01'] as const;
const V4 = ['192.168.65.3', '192.168.65.2'] as const;
const V6 = ['fd00:6879:706b:6974::99', 'fd00:6879:706b:6974::2'] as const;

function frameOf([source, destination]: readonly [string, string], payload: Uint8Array, options = 0): Buffer {
  const body = udpBytes(source, destination, 4000, 53, payload);
  const packet = ipPacket({ source, destination, protocol: UDP, body, options: new Uint8Array(options).fill(1) });
  return ethernetFrame(...MACS, source.includes(':') ? 0x86dd : 0x0800, packet);
}

function cut(frame: Uint8Array, datagramBytes: number, at = 10): Buffer[] {
  const buffer = allocatePinned(at + frame.length + 8);
  buffer.bytes.set(frame, at);
  const out: Buffer[] = [];
  eachDatagram(buffer, at, at + frame.length, datagramBytes, ({ bytes }, start, end, verified) => {
    expect(verified).toBe(true);
    out.push(Buffer.from(bytes.subarray(start, end)));
  });
  return out;
}

it('makes of a frame what its sender would have sent one by one', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(V4, V6),
      fc.integer({ min: 1, max: 6000 }),
      fc.integer({ min: 1, max: 2000 }),
      fc.constantFrom(0, 4, 40),
      (ends, bytes, datagramBytes, options) => {
        const payload = pattern(bytes);
        const wanted: Buffer[] = [];
        for (let at = 0; at < bytes; at += datagramBytes)
          wanted.push(frameOf(ends, payload.subarray(at, at + datagramBytes), options));
        const got = cut(frameOf(ends, payload, options), datagramBytes);
        const udp = 14 + (ends === V4 ? 20 + options : 40);
        // The kernel leaves UDP's checksum to whom it gives the frame.
        for (const frame of [...got, ...wanted]) frame.fill(0, udp + 6, udp + 8);
        expect(got.map((frame) => frame.toString('hex'))).toEqual(wanted.map((frame) => frame.toString('hex')));
      },
    ),
    { numRuns: 300 },
  );
});

it('drops what is no datagram, and anything damaged, without a fault', () => {
  const tcp = ipPacket({ source: V4[0], destination: V4[1], protocol: TCP, body: Buffer.alloc(100) });
  expect(cut(ethernetFrame(...MACS, 0x0800, tcp), 10)).toEqual([]);
  expect(cut(frameOf(V4, pattern(100)), 0)).toEqual([]);
  fc.assert(
    fc.property(
      fc.constantFrom(V4, V6),
      fc.nat(200),
      fc.nat(200),
      fc.nat(255),
      fc.nat(300),
      (ends, keep, at, byte, n) => {
        const frame = frameOf(ends, pattern(100)).subarray(0, Math.max(14, keep));
        frame[at % frame.length] = byte;
        for (const one of cut(frame, n)) expect(one.length).toBeLessThanOrEqual(frame.length);
      },
    ),
    { numRuns: 500 },
  );
});
