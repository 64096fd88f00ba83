import fc from 'fast-check';
import { readSynOptions, writeSynOptions } from '../../../../../engine/net/tcp/segment-header';

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

it('reads what it writes', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.integer({ min: -1, max: 14 }), fc.boolean(), (mss, windowScale, sack) => {
      const bytes = new Uint8Array(20);
      const length = writeSynOptions(viewOf(bytes), 3, { mss, windowScale, sack });
      expect(length % 4).toBe(0);
      expect(readSynOptions(viewOf(bytes), 3, 3 + length)).toEqual({ mss, windowScale, sack });
    }),
  );
});

it("reads Linux's options", () => {
  // MSS 1460, SACK permitted, timestamps, no-op, window scale 7.
  const bytes = Buffer.from('020405b40402080a5f3e1c2d0000000001030307', 'hex');
  expect(readSynOptions(viewOf(bytes), 0, 20)).toEqual({ mss: 1460, windowScale: 7, sack: true });
});

it.each([
  ['', 536, -1],
  ['00020405b4', 536, -1],
  ['020405b4000303ff', 1460, -1],
  ['030315', 536, 14],
  ['0200', 536, -1],
  ['0201020405b4', 536, -1],
  ['0204', 536, -1],
  ['02ff05b4', 536, -1],
  ['020305030304', 536, 4],
  ['01010103', 536, -1],
  ['040300', 536, -1],
])('reads %j as far as it makes sense', (hex, mss, windowScale) => {
  const bytes = Buffer.from(hex, 'hex');
  expect(readSynOptions(viewOf(bytes), 0, bytes.length)).toEqual({ mss, windowScale, sack: false });
});

it('ends for any bytes, without looking behind them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const { mss, windowScale } = readSynOptions(viewOf(bytes), 0, bytes.length);
      expect(mss).toBeLessThanOrEqual(0xffff);
      expect(windowScale).toBeLessThanOrEqual(14);
    }),
  );
});
