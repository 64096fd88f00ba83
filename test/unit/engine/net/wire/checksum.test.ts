import fc from 'fast-check';
import { finish, fold, sumBytes } from '../../../../../engine/net/wire/checksum';
import { ipv4, parseAddress } from '../../../../../engine/net/wire/ip-address';
import { pseudoSum } from '../../../../../engine/net/wire/pseudo-header';
import { addressText, naiveChecksum, pseudoHeader } from '../fixtures/packets';

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

it('equals the sum made word by word, for any bytes at any place', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(40), fc.nat(40), (bytes, before, behind) => {
      const all = Buffer.concat([Buffer.alloc(before, 0xa5), bytes, Buffer.alloc(behind, 0x5a)]);
      expect(finish(sumBytes(viewOf(all), before, before + bytes.length))).toBe(naiveChecksum(bytes));
    }),
  );
});

it('adds parts, of which all but the last are even', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (first, second) => {
      const even = first.subarray(0, first.length & ~1);
      const sum = sumBytes(viewOf(second), 0, second.length, sumBytes(viewOf(even), 0, even.length));
      expect(finish(sum)).toBe(naiveChecksum(even, second));
    }),
  );
});

it.each([
  ['nothing', Buffer.alloc(0), 0xffff],
  ['zeros', Buffer.alloc(64), 0xffff],
  ['the largest packet, all ones', Buffer.alloc(65_535, 0xff), 0x00ff],
  ['carries upon carries', Buffer.from('ffffffff000100000001ffff', 'hex'), 0xfffd],
  ['a carry of the last fold', Buffer.from('ffff0001', 'hex'), 0xfffe],
])('of %s', (_name, bytes, expected) => {
  expect(naiveChecksum(bytes)).toBe(expected);
  expect(finish(sumBytes(viewOf(bytes), 0, bytes.length))).toBe(expected);
});

it('folds any sum that packets can have to 16 bits of the same value', () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (sum) => {
      const folded = fold(sum);
      expect(folded).toBeLessThan(0x1_0000);
      expect(folded % 0xffff).toBe(sum % 0xffff);
      expect(folded === 0).toBe(sum === 0);
    }),
  );
});

it('leaves a field that a NIC completes to the right checksum', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(0x7fff_ffff), fc.nat(255), (bytes, address, protocol) => {
      const source = ipv4(address);
      const destination = ipv4(~address);
      const text = (value: number): string =>
        addressText(Buffer.from([value >>> 24, value >>> 16, value >>> 8, value]));
      const partial = fold(pseudoSum(source, destination, protocol, bytes.length));
      const expected = naiveChecksum(pseudoHeader(text(address), text(~address), protocol, bytes.length), bytes);
      expect(finish(sumBytes(viewOf(bytes), 0, bytes.length, partial))).toBe(expected);
    }),
  );
});

it('knows the pseudo header of IPv6', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), fc.nat(65_535), (from, to, length) => {
      const [source, destination] = [parseAddress(from), parseAddress(to)];
      fc.pre(source !== undefined && destination !== undefined);
      fc.pre(!/^::ffff:/i.test(from) && !/^::ffff:/i.test(to));
      const words = (text: string): string => new URL(`http://[${text}]`).hostname.slice(1, -1);
      expect(finish(pseudoSum(source!, destination!, 17, length))).toBe(
        naiveChecksum(pseudoHeader(words(from), words(to), 17, length)),
      );
    }),
  );
});
