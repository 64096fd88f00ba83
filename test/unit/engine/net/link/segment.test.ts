import fc from 'fast-check';
import type { OutgoingFrame } from '../../../../../engine/net/link/link';
import { frameCount, writeFrames } from '../../../../../engine/net/link/segment';
import { GATEWAY_IP, GATEWAY_IP6, GATEWAY_MAC, GUEST_IP, GUEST_IP6, GUEST_MAC } from '../fixtures/fake-guest';
import {
  ACK,
  ethernetFrame,
  FIN,
  ipPacket,
  naiveChecksum,
  PSH,
  pseudoHeader,
  readDatagram,
  readFrame,
  readSegment,
  TCP,
  tcpBytes,
  UDP,
  udpBytes,
} from '../fixtures/packets';
import { frameOf } from './outgoing-frame';

/** As a sender leaves it to the NIC: the checksum field holds the pseudo header's sum for the whole. */
function offloaded(
  frame: Buffer,
  v6: boolean,
  ipBytes: number,
  transport: number,
  payload: number,
  segmentBytes: number,
): OutgoingFrame {
  const start = 14 + ipBytes;
  const copy = Buffer.from(frame);
  const [source, destination] = v6 ? [GATEWAY_IP6, GUEST_IP6] : [GATEWAY_IP, GUEST_IP];
  const isTcp = transport >= 20;
  const checksumOffset = isTcp ? 16 : 6;
  const pseudo = pseudoHeader(source, destination, isTcp ? TCP : UDP, transport + payload);
  copy.writeUInt16BE(~naiveChecksum(pseudo) & 0xffff, start + checksumOffset);
  return frameOf(copy, start + transport, { checksumStart: start, checksumOffset, segmentBytes });
}

function written(frame: OutgoingFrame, prefixBytes = 4): Buffer[] {
  const room = frameCount(frame) * (frame.headerBytes + prefixBytes) + frame.payloadBytes;
  const target = Buffer.alloc(room + 9, 0xee);
  const lengths: [number, number][] = [];
  const view = new DataView(target.buffer, target.byteOffset, target.length);
  const end = writeFrames(
    frame,
    target,
    view,
    9,
    prefixBytes,
    (_view, offset, bytes) => void lengths.push([offset, bytes]),
  );
  expect(end).toBe(room + 9);
  return lengths.map(([offset, bytes]) => target.subarray(offset + prefixBytes, offset + prefixBytes + bytes));
}

it('cuts a TCP packet into segments that say together what it said', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.record({
        payload: fc.uint8Array({ maxLength: 9000 }),
        mss: fc.integer({ min: 64, max: 2000 }),
        sequence: fc.nat(0xffff_ffff),
        flags: fc.constantFrom(ACK, ACK | PSH, ACK | PSH | FIN),
        identification: fc.nat(0xffff),
        options: fc.constantFrom(0, 4, 12, 40),
        ipOptions: fc.constantFrom(0, 4, 40),
        prefix: fc.constantFrom(0, 2, 4),
      }),
      (v6, { payload, mss, sequence, flags, identification, options, ipOptions, prefix }) => {
        const [source, destination] = v6 ? [GATEWAY_IP6, GUEST_IP6] : [GATEWAY_IP, GUEST_IP];
        const fields = { sourcePort: 80, destinationPort: 4000, sequence, acknowledged: 77, flags, window: 500 };
        const body = tcpBytes(source, destination, { ...fields, options: Buffer.alloc(options, 1), payload });
        const ipHeader = Buffer.alloc(v6 ? 0 : ipOptions, 1);
        const packet = ipPacket({ source, destination, protocol: TCP, body, identification, options: ipHeader });
        const whole = ethernetFrame(GUEST_MAC, GATEWAY_MAC, v6 ? 0x86dd : 0x0800, packet);
        const ipBytes = v6 ? 40 : 20 + ipOptions;
        const frames = written(offloaded(whole, v6, ipBytes, 20 + options, payload.length, mss), prefix);
        expect(frames).toHaveLength(Math.max(1, Math.ceil(payload.length / mss)));
        let next = sequence;
        const parts: Buffer[] = [];
        for (const [index, frame] of frames.entries()) {
          // Lengths and checksums are checked while reading.
          const read = readFrame(frame);
          const segment = readSegment(read);
          expect(segment.sequence).toBe(next);
          expect(segment).toMatchObject({ ...fields, sequence: next, flags: segment.flags });
          expect(segment.flags).toBe(index === frames.length - 1 ? flags : flags & ~(FIN | PSH));
          expect(segment.payload.length).toBeLessThanOrEqual(mss);
          expect(segment.options).toHaveLength(options);
          if (!v6) expect(read.identification).toBe((identification + index) & 0xffff);
          next = (next + segment.payload.length) >>> 0;
          parts.push(segment.payload);
        }
        expect(Buffer.concat(parts).equals(payload)).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
});

it('completes the checksum of a datagram, which is never zero', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 1400 }), (v6, payload) => {
      const [source, destination] = v6 ? [GATEWAY_IP6, GUEST_IP6] : [GATEWAY_IP, GUEST_IP];
      const body = udpBytes(source, destination, 53, 4000, payload);
      const packet = ipPacket({ source, destination, protocol: UDP, body });
      const whole = ethernetFrame(GUEST_MAC, GATEWAY_MAC, v6 ? 0x86dd : 0x0800, packet);
      const [frame] = written(offloaded(whole, v6, v6 ? 40 : 20, 8, payload.length, 0));
      expect(readDatagram(readFrame(frame!)).payload.equals(payload)).toBe(true);
      expect(frame!.equals(whole)).toBe(true);
    }),
  );
});

it('writes the one datagram whose sum is zero with ones', () => {
  // Found by turning the sum of the others into the payload.
  const sum = udpBytes(GATEWAY_IP, GUEST_IP, 53, 4000, Buffer.alloc(2)).readUInt16BE(6);
  const payload = Buffer.from([sum >> 8, sum & 0xff]);
  const body = udpBytes(GATEWAY_IP, GUEST_IP, 53, 4000, payload);
  expect(body.readUInt16BE(6)).toBe(0xffff);
  const whole = ethernetFrame(
    GUEST_MAC,
    GATEWAY_MAC,
    0x0800,
    ipPacket({ source: GATEWAY_IP, destination: GUEST_IP, protocol: UDP, body }),
  );
  const [frame] = written(offloaded(whole, false, 20, 8, 2, 0));
  expect(readDatagram(readFrame(frame!)).payload).toEqual(payload);
});

it('passes complete frames as they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 14, maxLength: 300 }), (bytes) => {
      const [frame, ...more] = written(frameOf(bytes));
      expect(frame!.equals(bytes)).toBe(true);
      expect(more).toEqual([]);
    }),
  );
});
