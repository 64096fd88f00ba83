import { isIP } from 'node:net';
import fc from 'fast-check';
import { macToNumber } from '../../../../../engine/net/addressing/mac';
import { isGroupAddress, readMac, writeMac } from '../../../../../engine/net/wire/ethernet';
import {
  formatAddress,
  fromBytes,
  isV4,
  parseAddress,
  readIpv4,
  readIpv6,
  sameAddress,
  toBytes,
  writeIpv6,
} from '../../../../../engine/net/wire/ip-address';

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Many zeros, for all the ways to write them.
  fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
);

it('writes what it reads as Node and browsers write it', () => {
  fc.assert(
    fc.property(address, (bytes) => {
      const parsed = fromBytes(bytes);
      const text = formatAddress(parsed);
      expect(isIP(text)).toBe(isV4(parsed) ? 4 : 6);
      if (!isV4(parsed)) expect(new URL(`http://[${text}]`).hostname.slice(1, -1)).toBe(text);
      expect(parseAddress(text)).toEqual(parsed);
      expect(sameAddress(fromBytes(toBytes(parsed)), parsed)).toBe(true);
    }),
  );
});

it('reads every address that Node takes for one, and means the same', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const parsed = parseAddress(text);
      expect(parsed).toBeDefined();
      const url = isIP(text) === 4 ? text : new URL(`http://[${text}]`).hostname.slice(1, -1);
      if (!isV4(parsed!)) expect(formatAddress(parsed!)).toBe(url);
    }),
  );
});

it('reads nothing else', () => {
  const nearly = fc.stringMatching(/^[0-9a-f:.[\]/%@?# ]{0,40}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly), (text) => {
      fc.pre(isIP(text) === 0);
      expect(parseAddress(text)).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
});

it.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '256.1.1.1',
  '::1]/x',
  '::1]:80/[',
  'fe80::1%eth0',
  ':::',
  '1::2::3',
  '::1/64',
])('takes %j for no address', (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

it('reads and writes packets', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(9), (bytes, offset) => {
      const memory = new Uint8Array(32);
      memory.set(bytes, offset);
      const view = new DataView(memory.buffer);
      const copy = new Uint8Array(32);
      writeIpv6(new DataView(copy.buffer), offset, readIpv6(view, offset));
      expect(copy).toEqual(memory);
      expect(toBytes(readIpv4(view, offset))).toEqual(bytes.subarray(0, 4));
    }),
  );
});

it('takes IPv4 in its IPv6 form for IPv4', () => {
  expect(formatAddress(parseAddress('::ffff:10.1.2.3')!)).toBe('10.1.2.3');
});

it('reads and writes Ethernet addresses', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const mac = readMac(new DataView(bytes.buffer, bytes.byteOffset), 0);
      const copy = new Uint8Array(6);
      writeMac(new DataView(copy.buffer), 0, mac);
      expect(copy).toEqual(bytes);
      expect(mac).toBe(macToNumber(bytes));
      expect(isGroupAddress(mac)).toBe((bytes[0]! & 1) === 1);
    }),
  );
});
