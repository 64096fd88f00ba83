import fc from 'fast-check';
import { encodePcapHeader, encodeRecordHeader } from '../../../../../engine/net/capture/pcap-format';
import { RecordBuffer } from '../../../../../engine/net/capture/record-buffer';
import { RingCaptures } from '../../../../../engine/net/capture/ring-captures';
import { ipv4, other, tcp, udp } from './frames';
import { readPcap } from './read-pcap';

test('a capture file as pcap-savefile(5) lays it out', () => {
  expect(Buffer.from(encodePcapHeader(128)).toString('hex')).toBe(
    'd4c3b2a1020004000000000000000000 80000000 01000000'.replaceAll(' ', ''),
  );
  const header = new DataView(new ArrayBuffer(16));
  encodeRecordHeader(header, 1_700_000_001_234.5, 100, 1514);
  expect([0, 4, 8, 12].map((at) => header.getUint32(at, true))).toEqual([1_700_000_001, 234_500, 100, 1514]);
});

test('a time has its microseconds, whatever the time', () => {
  const header = new DataView(new ArrayBuffer(16));
  fc.assert(
    fc.property(fc.double({ min: 0, max: 4_000_000_000_000, noNaN: true }), (timeMs) => {
      encodeRecordHeader(header, timeMs, 0, 0);
      const micros = header.getUint32(4, true);
      expect(micros).toBeLessThan(1_000_000);
      expect(Math.abs(header.getUint32(0, true) * 1000 + micros / 1000 - timeMs)).toBeLessThan(0.002);
    }),
  );
});

test('each frame is in the rings of its kinds, cut to the ring’s length', () => {
  const before = Date.now() - 5;
  const rings = new RingCaptures(64);
  const frames = {
    dns: ipv4(17, udp(1, 53, 100)),
    ntp: ipv4(17, udp(1, 123)),
    icmp: ipv4(1, Buffer.alloc(8)),
    http_proxy: ipv4(6, tcp(1, 3128, 1400)),
    bad: Buffer.alloc(5, 9),
  };
  for (const frame of [...Object.values(frames), other()]) rings.capture(frame, 0, frame.length);
  const captures = new Map(rings.snapshot().map(({ name, pcap }) => [name, readPcap(pcap)]));
  expect([...captures.keys()]).toEqual(['all', 'dns', 'ntp', 'icmp', 'http_proxy', 'bad']);
  for (const [name, frame] of Object.entries(frames)) {
    const { records } = captures.get(name)!;
    expect(records.map(({ original }) => original)).toEqual([frame.length]);
    expect(records[0]!.bytes.equals(frame)).toBe(true);
  }
  const all = captures.get('all')!;
  expect(all.snapLength).toBe(64);
  expect(all.records.map(({ bytes }) => bytes.length)).toEqual([64, 46, 42, 64, 5, 24]);
  for (const { timeMs } of all.records) {
    expect(timeMs).toBeGreaterThanOrEqual(before);
    expect(timeMs).toBeLessThanOrEqual(Date.now() + 5);
  }
});

test('a full ring keeps the latest', () => {
  const rings = new RingCaptures();
  for (let index = 0; index < 5000; index++) {
    const frame = ipv4(1, Buffer.alloc(8 + (index % 700)));
    frame.writeUInt16BE(index, 18);
    rings.capture(frame, 0, frame.length);
  }
  const { pcap } = rings.snapshot().find(({ name }) => name === 'icmp')!;
  expect(pcap.length).toBeLessThanOrEqual(24 + 8192);
  expect(pcap.length).toBeGreaterThan(8192 - 800);
  const numbers = readPcap(pcap).records.map(({ bytes }) => bytes.readUInt16BE(18));
  expect(numbers).toEqual(numbers.map((_, index) => 5000 - numbers.length + index));
});

test('the ring of bytes is a queue of records', () => {
  const step = fc.oneof(fc.record({ push: fc.uint8Array({ maxLength: 60 }) }), fc.record({ drop: fc.constant(true) }));
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 200 }),
      fc.integer({ min: 0, max: 50 }),
      fc.array(step, { maxLength: 100 }),
      (capacity, snapLength, steps) => {
        const buffer = new RecordBuffer(capacity);
        const model: { bytes: Buffer; original: number }[] = [];
        const size = (): number => model.reduce((total, { bytes }) => total + 16 + bytes.length, 0);
        for (const action of steps) {
          if ('push' in action) {
            const bytes = Buffer.from(action.push.subarray(0, snapLength));
            const fits = size() + 16 + bytes.length <= capacity;
            expect(buffer.append(action.push, 0, action.push.length, snapLength, 1000)).toBe(fits);
            if (fits) model.push({ bytes, original: action.push.length });
          } else if (model.length > 0) {
            buffer.dropRecord();
            model.shift();
          }
          const file = new Uint8Array(24 + buffer.size);
          file.set(encodePcapHeader(snapLength));
          buffer.copyTo(file.subarray(24));
          expect(readPcap(file).records.map(({ bytes, original }) => ({ bytes, original }))).toEqual(model);
          expect([buffer.size, buffer.free]).toEqual([size(), capacity - size()]);
        }
      },
    ),
  );
});
